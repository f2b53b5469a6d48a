--- The trusted half of the script layer: runs in the same Lua state as the units, outside their sandbox. C enters it by
--- the functions that `open` returns (src/script/script.c).
---
--- `core` is what C gives; specs give Lua functions instead:
---
---     charge(n)            counts n instructions' worth of work; raises when the budget is used up
---     check(...)           its arguments; raises when the budget is used up
---     commit(plan, loaded, retired)   exchanges the plan; ends what the old units were doing
---     failed(slot, text)   counts and logs the error of a unit
---     find gmatch gsub match          as string.*, with their steps counted
---     guard(slot, fn, ...) true and the result, or false and "file:line: reason [traceback: ...]"; limited
---     hash(text)           of a file's text
---     in_task()            the caller is the coroutine of a hook
---     located(fn)          a function that calls fn("file:line" of its caller, ...)
---     log(level, group, text), log_on(level)
---     now()                wall time in ms
---     plan(table)          the tables that C walks
---     room()               bytes that scripts may still take, less than 0 if the reserve for loading is in use
---     sleep(seconds)
---     slot(name)           the number of a unit
local Reload = require "moonwire.script.reload"
local Sandbox = require "moonwire.script.sandbox"

local Script = {}

---@param core table
---@param lock_strings boolean  the Lua state is ours alone
---@return Reload
function Script.open(core, lock_strings)
  local base, strings = Sandbox.base(core)
  if lock_strings then Sandbox.lock_strings(strings) end
  return Reload.new(core, base)
end

return Script
