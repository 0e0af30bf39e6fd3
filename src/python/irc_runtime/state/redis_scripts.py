"""What Redis does in one step: scripts in Lua, each of which runs whole or not at all.

Three keys of Redis belong to one key of state: ``holder`` is a string with the token of the
execution that holds it, and lapses with its lease; ``waiting`` is a sorted set of the tokens that
wait, by the time of their coming in microseconds; ``values`` is a hash of names to JSON texts. A
token is ``<process>:<number>``, and no two executions have the same.

No script is sent a second time by itself, as clients do when a connection breaks: a late ``TAKE``
would put the holder in line again, and a token that is in line may become the holder's once more.
"""

#: Hold the key, or wait in line for it.
#: KEYS: holder, waiting, values. ARGV: token, lease in ms.
#: Gives 1 and the values to the holder, and to others 0 and the ms left of the holder's lease.
TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[2], 'NX', time[1] * 1000000 + time[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[2], 10 * ARGV[2])
  return {0, redis.call('PTTL', KEYS[1])}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[1])
local reply = redis.call('HGETALL', KEYS[3])
table.insert(reply, 1, 1)
return reply
"""

#: Hold on: the lease begins anew.
#: KEYS: holder. ARGV: token, lease in ms.
#: Gives 0 where the key is not held any more.
RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

#: Replace the values, which nobody can who does not hold the key.
#: KEYS: holder, values. ARGV: token, time to live in ms or 0, then name and text by turns.
#: Gives 0 where the key is not held any more, and writes nothing then.
WRITE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
if ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
return 1
"""

#: Hand the key to the one who has waited for longest and whose process listens; leave the line.
#: KEYS: holder, waiting. ARGV: token, lease in ms, what a process's name has before it as a channel.
GIVE = """
redis.call('ZREM', KEYS[2], ARGV[1])
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
while true do
  local first = redis.call('ZPOPMIN', KEYS[2])[1]
  if not first then return 1 end
  if redis.call('PUBLISH', ARGV[3] .. string.match(first, '^[^:]+'), first) > 0 then
    redis.call('SET', KEYS[1], first, 'PX', ARGV[2])
    return 1
  end
end
"""
