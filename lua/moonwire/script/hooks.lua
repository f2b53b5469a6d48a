--- `hooks { ["device.registered"] = function(dev) ... end, ... }`: what a unit does when something happens.
--- Every hook runs as a coroutine of its own, so it may call dev:read and sleep.
local Shape = require "moonwire.script.shape"

local Hooks = {}

--- Names and arguments, in the order of enum mw_hook_kind (src/script/plan.h).
Hooks.NAMES = {
  "device.registered", -- (dev)
  "device.updated", -- (dev)
  "device.deregistered", -- (dev)
  "device.expired", -- (dev)
  "value.received", -- (dev, path, value, time)
}

--- Checks a declaration; raises "where: reason".
---@param declaration table
---@param where string  "hooks/lifecycle.lua:5"
---@return table        { kind = "hooks", functions = { [name] = function }, selftest = }
function Hooks.declare(declaration, where)
  local shape = Shape.new(where)
  shape:expect(declaration, "hooks", "table", 'hooks { ["device.registered"] = function(dev) ... end }')
  declaration = shape:plain(declaration, "hooks")
  local known = { table.unpack(Hooks.NAMES) }
  known[#known + 1] = "selftest"
  shape:keys(declaration, "", known)
  local out = { kind = "hooks", where = where, functions = {} }
  for name, fn in next, declaration do
    shape:expect(fn, ("[%q]"):format(name), "function", "function(dev) ... end")
    if name == "selftest" then
      out.selftest = fn
    else
      out.functions[name] = fn
    end
  end
  if next(out.functions) == nil then shape:fail("no hook is declared; known are %s", table.concat(Hooks.NAMES, ", ")) end
  return out
end

--- Appends the hooks of a unit to the lists for C.
---@param hooks table<string, table[]>
---@param declaration table
---@param slot integer
function Hooks.plan(hooks, declaration, slot)
  for name, fn in pairs(declaration.functions) do
    hooks[name] = hooks[name] or {}
    table.insert(hooks[name], { slot = slot, fn = fn })
  end
end

---@param declaration table
---@return table<string, function>
function Hooks.test_api(declaration)
  return {
    --- Calls a hook as an event would; it must not wait.
    call = function(name, ...)
      local fn = declaration.functions[name]
      if not fn then error(("no hook %q"):format(tostring(name)), 2) end
      return fn(...)
    end,
  }
end

return Hooks
