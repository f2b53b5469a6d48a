--- A test of scripts with a simulated device. From the top of the source tree, after `./dev build release`:
---   MW_BUILD=build/release lua5.4 /usr/bin/busted examples/temperature_spec.lua
-- luacheck: std +busted
local moonwire = require "moonwire"
local Sim = require "moonwire.sim"

describe("protocols/temperature.lua", function()
  local store, host, device

  before_each(function()
    store = os.tmpname()
    os.remove(store)
    host = assert(moonwire.host {
      listen = "127.0.0.1:0", store = store, ddf = "ddf", scripts = "scripts", lua_dir = moonwire.lua_dir,
      watch = false,
    })
    device = assert(Sim.device {
      endpoint = "oven", server = "coap://" .. host:listen_addresses()[1],
      objects = { [1] = { [0] = { [1] = 300 } }, [3303] = { [0] = { [5700] = 21.5 } } },
    })
    device:register()
  end)

  after_each(function()
    device:close()
    host:close()
    for _, suffix in ipairs { "", "-wal", "-shm", "-lock" } do os.remove(store .. suffix) end
  end)

  --- Turns server and device until the newest item of a kind in the feed is as wanted.
  local function expect(kind, is_wanted)
    local reader = assert(moonwire.reader(store))
    local item
    local ok = Sim.run { host = host, devices = { device }, until_ = function()
      item = assert(reader:feed { kind = kind, endpoint = "oven", newest = true, limit = 1 })[1]
      return item and is_wanted(item)
    end }
    reader:close()
    assert.is_true(ok, "the newest " .. kind .. " is " .. (item and tostring(item.value or item.status) or "missing"))
    return item
  end

  it("stores what the device measures", function()
    local item = expect("measurement", function(m) return m.value == 21.5 end)
    assert.same({ "c8y_Temperature", "/3303/0/5700" }, { item.type, item.path })
  end)

  it("raises an alarm in the heat, and clears it", function()
    expect("measurement", function(m) return m.value == 21.5 end)
    device:set("/3303/0/5700", 75.5)
    expect("alarm", function(a) return a.status == "ACTIVE" end)
    device:set("/3303/0/5700", 20.5)
    expect("alarm", function(a) return a.status == "CLEARED" end)
  end)
end)
