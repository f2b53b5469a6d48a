--- What C gives to lua/moonwire/script, as plain Lua: for specs of the Lua half alone. No limits.
local Reload = require "moonwire.script.reload"
local Sandbox = require "moonwire.script.sandbox"

local Stub = {}

--- A function that calls fn("file:line" of its caller, ...), also after `return protocol { ... }`: a tail call forgets its
--- caller, but not one of a C function, and that is what coroutine.wrap makes. After an error it cannot be called again.
local function located(fn)
  local caller = coroutine.running()
  return coroutine.wrap(function(...)
    local args = table.pack(...)
    while true do
      local info = debug.getinfo(caller, 1, "Sl")
      local where = info and info.currentline > 0 and ("%s:%d"):format(info.source:sub(2), info.currentline) or "?"
      args = table.pack(coroutine.yield(fn(where, table.unpack(args, 1, args.n))))
    end
  end)
end

local function traceback(message)
  return tostring(message) .. " [traceback: stub]"
end

---@return table core  with `logged`, `commits`, `failures` for specs to look at
function Stub.core()
  local core = { logged = {}, commits = {}, failures = {}, charged = 0, slots = {}, n_slots = 0, ended = {} }
  core.charge = function(n)
    core.charged = core.charged + n
  end
  core.check = function(...)
    return ...
  end
  core.commit = function(plan, loaded, retired)
    core.current = plan
    core.commits[#core.commits + 1] = { plan = plan, loaded = loaded, retired = retired }
  end
  core.failed = function(slot, text)
    core.failures[#core.failures + 1] = { slot = slot, text = text }
  end
  core.find, core.gmatch, core.gsub, core.match = string.find, string.gmatch, string.gsub, string.match
  core.guard = function(_, fn, ...)
    return xpcall(fn, traceback, ...)
  end
  core.hash = function(text)
    return text
  end
  core.in_task = function()
    return false
  end
  core.located = located
  core.log = function(level, group, text)
    core.logged[#core.logged + 1] = { level = level, group = group, text = text }
  end
  core.log_on = function()
    return true
  end
  core.now = function()
    return 1700000000000
  end
  core.plan = function(t)
    return t
  end
  core.room = function()
    return 1 << 20
  end
  core.sleep = function() end
  core.slot = function(name)
    if not core.slots[name] then
      core.slots[name] = core.n_slots
      core.n_slots = core.n_slots + 1
    end
    return core.slots[name]
  end
  return core
end

---@return Reload, table core
function Stub.reload()
  local core = Stub.core()
  return Reload.new(core, (Sandbox.base(core))), core
end

--- { ["lib/x.lua"] = "text" } -> the list that Reload:apply takes.
---@param texts table<string, string>
function Stub.files(texts)
  local list = {}
  for name, text in pairs(texts) do
    list[#list + 1] = text == false and { name = name, text = "", why = "Permission denied" } or { name = name, text = text }
  end
  table.sort(list, function(a, b)
    return a.name < b.name
  end)
  return list
end

return Stub
