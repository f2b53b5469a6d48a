--- `moonwire demo`, the first thing that anybody starts.
local World = require "spec.support.world"
local Sim = require "moonwire.sim"

describe("moonwire demo", function()
  local world
  before_each(function() world = World.new() end)
  after_each(function() world:close() end)

  --- Runs it to its end with its own folder for temporary files, which must be empty afterwards.
  local function demo()
    require("lfs").mkdir(world:path("tmp"))
    local status, out, err = world:shell(("TMPDIR=%s exec %s demo --once"):format(
      World.quote(world:path("tmp")), World.quote(World.command())))
    local left = {}
    for name in require("lfs").dir(world:path("tmp")) do
      if name ~= "." and name ~= ".." then left[#left + 1] = name end
    end
    assert.same({}, left)
    assert.equal(0, status, out .. err)
    local port = assert(out:match("listens on coap://127%.0%.0%.1:(%d+) with 3 simulated devices"), out)
    local n = 0
    for _ in out:gmatch("%d%d:%d%d:%d%d  [%w-]+ +c8y_Temperature%.T +%-?[%d.]+ Cel\n") do n = n + 1 end
    return tonumber(port), n, out
  end

  it("stores ten measurements and ends", function()
    local _, n, out = demo()
    assert.is_true(n >= 10, out)
    for _, name in ipairs { "cold-store", "greenhouse", "oven" } do
      assert.truthy(out:find(name, 1, true), name)
    end
    assert.truthy(out:find("10 measurements stored", 1, true))
  end)

  it("takes another port when its own is in use", function()
    local sock = Sim.udp("127.0.0.1", 5783) -- or somebody else has it already, which is as good
    local port, n = demo()
    if sock then sock:close() end
    assert.are_not.equal(5783, port)
    assert.is_true(n >= 10)
  end)

  it("uses the scripts of the working directory", function()
    world:write("scripts/protocols/mine.lua", [[
return protocol {
  object = 3303,
  resources = { [5700] = { observe = {}, measurement = { type = "Mine", series = "Mine.X", unit = "Cel" } } },
}
]])
    local _, _, out = demo()
    assert.truthy(out:find("Mine.X", 1, true), out)
  end)
end)
