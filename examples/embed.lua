--- A LwM2M server in a Lua program: prints every registration and every value of object 3303 (Temperature).
---
---   lua5.4 examples/embed.lua [listen address]     default 127.0.0.1:5783; the store is embed.db
---
--- See README.md in this folder for the paths that Lua needs. The same in C: embed.c.
local moonwire = require "moonwire"
local Sim = require "moonwire.sim" -- only for Sim.poll; any loop that can wait for a descriptor will do

local function on_log(level, group, text)
  io.stderr:write(("%s %s: %s\n"):format(level, group, text))
end

local host = assert(moonwire.host {
  listen = arg[1] or "127.0.0.1:5783",
  store = "embed.db",
  log = on_log,
  log_level = "warn",
})
io.stdout:setvbuf("line")

host:on("device.registered", function(event)
  local device = assert(host:device(event.endpoint))
  print(("%s registered from %s"):format(device.endpoint, device.address))
  for iid in device.links:gmatch("</3303/(%d+)>") do
    host:observe(event.endpoint, ("/3303/%s/5700"):format(iid), function(values, message)
      -- The first value comes here and as value.received; only failures are of interest.
      if not values then print(("  cannot observe it: %s"):format(message)) end
    end)
  end
end)

host:on("value.received", function(event)
  print(event.endpoint .. ":")
  for path, value in pairs(event.values) do print(("  %s = %s"):format(path, value)) end
end)

-- host:run() would do the same, but Lua notices Ctrl-C only between two of its own instructions.
while true do
  Sim.poll({ host:fd() }, host:timeout_ms())
  local ok, message = host:step()
  if not ok then on_log("error", "callback", message) end
end
