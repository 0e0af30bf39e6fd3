"""Odd but valid Python for code transforms: texts by name, each with what it gives for the query x."""

import ast
import re
from typing import Any

TEXTS = r'''
### future: 1
from __future__ import annotations
from dataclasses import dataclass
@dataclass
class P:
    x: int
    y: 'P | None' = None
def transform(i, c, s):
    return {'text': P(1).x}
### decorator: 'abab'
import functools
def twice(f):
    @functools.wraps(f)
    def g(*a, **k):
        return f(*a, **k) * 2
    return g
@twice
def transform(i, c, s):
    return 'ab'
### decorated_helper: 6765
from functools import lru_cache
@lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n-1) + fib(n-2)
def transform(i, c, s):
    return {'text': fib(20)}
### type_checking: 'ok'
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from collections.abc import Mapping
    from nowhere import Thing
def transform(i: 'Mapping', c, s) -> 'Thing':
    return 'ok'
### nested_def: 2
def transform(i, c, s):
    def transform(x):
        return x + 1
    return {'text': transform(1)}
### class_method_named_transform: 6
class T:
    def transform(self, x):
        return x * 2
    @staticmethod
    def helper(y):
        return y
def transform(i, c, s):
    return {'text': T().transform(T.helper(3))}
### constants: 5
A = 1
B = A + 1
C = [A, B]
def helper():
    return sum(C)
def transform(i, c, s):
    return {'text': helper() + B}
### global: 2
counter = 0
def bump():
    global counter
    counter += 1
    return counter
def transform(i, c, s):
    bump()
    return {'text': bump()}
### nonenglish: 3
größe = 3
def schätze(wörter):
    return len(wörter) * größe
def transform(eingabe, kontext, zustand):
    return {'text': schätze(eingabe['query'])}
### nfkc: 2
ﬁ = 2
def transform(i, c, s):
    return {'text': fi}
### names_of_module: 56
Agent = 5
node = 6
by_port = 7
Any = 8
Inputs = 9
Context = 10
SampleAgent = 11
def transform(i, c, s):
    return {'text': Agent + node + by_port + Any + Inputs + Context + SampleAgent}
### import_as_collision: 3
import json as node
from os import path as Agent
def transform(i, c, s):
    return {'text': node.loads('[1]')[0] + len(Agent.basename('/ab'))}
### import_dotted: 'ya'
import os.path
import xml.etree.ElementTree as ET
def transform(i, c, s):
    return {'text': os.path.basename('/x/y') + ET.fromstring('<a/>').tag}
### try_import: 5
try:
    import ujson_nope as json
except ImportError:
    import json
def transform(i, c, s):
    return {'text': json.loads('5')}
### match: ['x', {}]
def transform(i, c, s):
    match i:
        case {'query': str() as q, **rest}:
            return {'text': [q, rest]}
### fstring: "w!   'w' x {name}"
name = 'w'
def f(x):
    return f'{x}!'
def transform(i, c, s):
    return {'text': f'{f(name)} {name!r:>5} {i["query"]} {{name}}'}
### multiline_string: '\n  transform\n    node  \n'
TEXT = """
  transform
    node  
"""
def transform(i, c, s):
    return {"text": TEXT}
### backslash: 3
def transform(i, c, s):
    x = 1 + \
        2
    return {'text': x}
### semicolons: 4
import json; A = 1; B = 2
def transform(i, c, s): return {'text': A + B + json.loads('1')}
### lambda_helper: 4
double = lambda x: x * 2
def transform(i, c, s):
    return {'text': double(2)}
### if_name_main: 1
def transform(i, c, s):
    return {'text': 1}
if __name__ == '__main__':
    print(transform({}, None, None))
### async_helpers: [1, 2]
import asyncio
async def f(x):
    await asyncio.sleep(0)
    return x
async def transform(i, c, s):
    return {'text': await asyncio.gather(f(1), f(2))}
### async_gen: [1, 2]
async def g():
    yield 1
    yield 2
def transform(i, c, s):
    return {'text': [x async for x in g()]}
### typed_dict: {'x': 1}
from typing import TypedDict, Any
class P(TypedDict, total=False):
    x: int
def transform(i: dict[str, Any], c: Any, s: Any) -> P:
    return P(x=1)
### kwonly: 3
def transform(i, c, s, /, *, limit=3):
    return {'text': limit}
### varargs: 3
def transform(*args):
    return {'text': len(args)}
### default_mutable: 1
def transform(i, c, s=None, cache={}):
    cache['n'] = cache.get('n', 0) + 1
    return {'text': cache['n']}
### class_uses_constant: 13
LIMIT = 4
class A:
    limit = LIMIT
    LIMIT = 5
    def get(self):
        return LIMIT + self.limit + A.LIMIT
def transform(i, c, s):
    return {'text': A().get()}
### comp_scope: [1, 2, 1, 2]
x = [1, 2]
def transform(i, c, s):
    return {'text': [x for x in x] + [y for y in x if y in x]}
### del_global: 2
tmp = 1
K = tmp + 1
del tmp
def transform(i, c, s):
    return {'text': K}
### augmented: 5
total = 1
total += 4
def transform(i, c, s):
    return {'text': total}
### star_unpack: [1, [2, 3], 1, 2, 3]
first, *rest = (1, 2, 3)
(a, b), c = (1, 2), 3
def transform(i, ctx, s):
    return {'text': [first, rest, a, b, c]}
### for_module: [97, 'b', '']
table = {}
for k in 'ab':
    table[k] = ord(k)
with open('/dev/null') as fh:
    data = fh.read()
def transform(i, c, s):
    return {'text': [table['a'], k, data]}
### nonlocal: 2
def transform(i, c, s):
    n = 0
    def inc():
        nonlocal n
        n += 1
    inc(); inc()
    return {'text': n}
### param_shadows: 6
limit = 1
def f(limit=limit):
    return limit
def transform(i, c, s):
    return {'text': f() + f(limit=5)}
### kwarg_same_name: '-1'
sep = '-'
def transform(i, c, s):
    return {'text': 'a'.join([sep]) + str(dict(sep=1)['sep'])}
### attr_same_name: 1
class node:
    Agent = 1
def transform(i, c, s):
    return {'text': node.Agent}
### property: 4
class node:
    def __init__(self):
        self._v = 1
    @property
    def v(self):
        return self._v
    @v.setter
    def v(self, x):
        self._v = x
def transform(i, c, s):
    n = node(); n.v = 4
    return {'text': n.v}
### super_mangled: 3
class node:
    def __init__(self):
        self.__v = 2
    def get(self):
        return self.__v
class Agent(node):
    def get(self):
        return super().get() + 1
def transform(i, c, s):
    return {'text': Agent().get()}
### exc: 'x'
class node(Exception):
    pass
def transform(i, c, s):
    try:
        raise node('x')
    except node as Agent:
        return {'text': str(Agent)}
### string_annotation: True
from dataclasses import dataclass
@dataclass
class node:
    nxt: 'node | None' = None
def transform(i, c, s) -> 'dict[str, node]':
    return {'text': node(node()).nxt is not None}
### tabs: 1
def transform(i, c, s):
	if True:
		return {'text': 1}
### comments: 1
# a
import json  # why
# b

# c
def transform(i, c, s):  # d
    # e
    return {'text': json.loads('1')}  # f
# end
### cond_def: 1
import sys
if sys.version_info >= (3, 0):
    def helper():
        return 1
else:
    def helper():
        return 2
def transform(i, c, s):
    return {'text': helper()}
### globals_call: 7
X = 7
def transform(i, c, s):
    return {'text': globals()['X']}
### import_inside: 2
def transform(i, c, s):
    import json as j
    from os import path
    return {'text': j.loads('1') + len(path.basename('/a'))}
### transform_twice: 2
def transform(i, c, s):
    return {'text': 1}
old = transform
def transform(i, c, s):
    return {'text': old(i, c, s)['text'] + 1}
### recursive: 5
def transform(i, c, s):
    if isinstance(i, int):
        return {'text': i}
    return transform(5, c, s)
### class_decorated: 'T'
def reg(cls):
    cls.tag = 'T'
    return cls
@reg
class node: pass
def transform(i, c, s):
    return {'text': node.tag}
### lambda_default: 6
K = 3
f = lambda x=K, *a, k=K, **kw: x + k
def transform(i, c, s):
    return {'text': f()}
### unicode_escapes: 'é•é•'
A = '\u00e9\N{BULLET}'
def transform(i, c, s):
    return {'text': A + 'é•'}
### global_in_transform: 3
def transform(i, c, s):
    global seen
    seen = 3
    return {'text': read()}
def read():
    return seen
### name_in_except_star: 1
def transform(i, c, s):
    try:
        raise ExceptionGroup('g', [ValueError('v')])
    except* ValueError as eg:
        n = len(eg.exceptions)
    return {'text': n}
### import_shadowed_by_local: 2
import json
def f(json):
    return json
def transform(i, c, s):
    return {'text': f(json.loads('2'))}
### assign_over_import: 5
import json
json = 5
def transform(i, c, s):
    return {'text': json}
### future_then_doc: '1'
"""doc"""
from __future__ import annotations
import json
def transform(i, c, s):
    return {"text": json.dumps(1)}
### print_in_class_body_comp: [0, 2]
N = 2
class node:
    xs = [N * k for k in range(N)]
def transform(i, c, s):
    return {'text': node.xs}
### parameter_default: 2
a = b = 1
def transform(i, c, s, extra=a + b):
    return {'text': extra}
'''

CASES: dict[str, tuple[str, Any]] = {
    match[1]: (match[3], ast.literal_eval(match[2]))
    for match in re.finditer(r"^### (\w+): (.*)\n((?:(?!###).*\n)+)", TEXTS, re.MULTILINE)
}
"""By name: the text, and what ``transform`` gives."""
