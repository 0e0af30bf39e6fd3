"""Every diagnostic code and its title; docs/errors.md explains each. A code is never reused."""

CODES: dict[str, str] = {
    # E1: the text
    "E101": "not valid YAML or JSON",
    "E102": "not UTF-8",
    "E103": "a key stands twice",
    "E104": "YAML that the language leaves out",
    "E105": "too large or too deep",
    "E106": "an empty document",
    "E107": "a file cannot be read",
    # E2: the shape
    "E201": "an unknown key",
    "E202": "a required key is missing",
    "E203": "a value of the wrong form",
    "E204": "an unknown operation",
    "E205": "wrong arguments of an operation",
    "E206": "not a JSON Schema",
    "E207": "a literal that looks like a credential",
    # E3: names and the graph
    "E301": "an edge names a node or a port that does not exist",
    "E302": "a cycle",
    "E303": "a name is malformed or taken",
    "E304": "a required input that no edge feeds",
    "E305": "two edges that both deliver to one input",
    "E306": "a context field that is not declared",
    "E307": "a node's context requirement that the flow does not meet",
    "E308": "a state key that does not fit its scope",
    "E309": "an edge that does not say which port",
    "E310": "an error handler that does not exist or cannot run",
    "E311": "nothing leads to the output",
    "E312": "a test case that names what does not exist",
    "E313": "a reference to a file that does not exist",
    "E314": "a reference of a schema that leads nowhere",
    "E315": "schemas that refer to each other without end",
    "E316": "a draft of JSON Schema that the language leaves out",
    # E4: types, expressions, templates and code
    "E401": "types that do not connect",
    "E402": "an expression outside the language",
    "E403": "a name that is not in scope of an expression",
    "E404": "a template with a syntax error",
    "E405": "a template variable that is not declared",
    "E406": "code with a syntax error",
    "E407": "code without a fitting transform function",
    "E408": "a reference that does not resolve",
    # E5: the target
    "E501": "not supported by this version of irc",
    # E9: irc itself
    "E901": "a crash of irc",
    # Warnings
    "W201": "a version written as a number",
    "W207": "a version in the name and beside it",
    "W301": "a node that nothing needs",
    "W302": "a context field that nothing reads",
    "W406": "a plain transform whose body awaits",
}
