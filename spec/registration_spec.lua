--- Register, Update and De-register of simulated devices and of hand-made datagrams (LwM2M Core, "Registration").
local World = require "spec.support.world"
local Coap = require "moonwire.sim.coap"

local LINKS = "</1/0>,</3/0>,</3303/0>"

describe("registration", function()
  local world
  before_each(function() world = World.new() end)
  after_each(function() world:close() end)

  local function register(changes)
    local m = { code = "POST", path = "/rd", format = 40, payload = LINKS, query = { "ep=raw", "lwm2m=1.1", "lt=60" } }
    for name, value in pairs(changes or {}) do m[name] = value end
    return m
  end

  describe("of a simulated device", function()
    local variants = {
      { "1.0", { version = "1.0" }, { version = "1.0", binding = "U", queue_mode = false } },
      { "1.0 in queue mode", { version = "1.0", queue = true }, { version = "1.0", binding = "U", queue_mode = true } },
      { "1.1", {}, { version = "1.1", binding = "U", queue_mode = false, lifetime = 300 } },
      { "1.1 in queue mode", { queue = true }, { version = "1.1", binding = "U", queue_mode = true } },
      { "1.1 with TCP and SMS", { binding = "UTS", sms = "491701234567" }, { binding = "UTS" } },
      { "1.2", { version = "1.2", binding = "UMH" }, { version = "1.2", binding = "UMH" } },
      { "no binding", { binding = false }, { binding = "U" } },
      { "no root link", { ct = false }, { version = "1.1" } },
      { "infinite lifetime", { lifetime = 0 }, { lifetime = 0 } },
      { "parameters nobody knows", { extra = { "vendor=acme", "flag" } }, { registered = true } },
      { "UTF-8 in its name", { endpoint = "Küche-☃" }, { endpoint = "Küche-☃" } },
    }
    for _, variant in ipairs(variants) do
      local name, opts, want = table.unpack(variant)
      it("takes LwM2M with " .. name, function()
        world:open()
        local dev = world:registered(opts)
        local info = assert(world.host:device(dev.endpoint))
        for key, value in pairs(want) do assert.equal(value, info[key], key) end
        assert.equal("2.01", dev.last_code)
        assert.equal("/rd/" .. info.location, dev.location)
        assert.equal("127.0.0.1:" .. dev:port(), info.address)
        assert.equal(dev.endpoint, world:event("device.registered").endpoint)
      end)
    end

    it("keeps unknown parameters and SMS number in the store", function()
      world:open()
      local dev = world:registered { sms = "491701234567", binding = "US", extra = { "vendor=acme", "flag" } }
      local reader = assert(require("moonwire.core").reader(world:path("store.db")))
      local row = reader:devices { endpoint = dev.endpoint }[1]
      reader:close()
      assert.same({ "491701234567", "vendor=acme&flag", true }, { row.sms, row.params, row.registered })
    end)

    it("uses its alternate path", function()
      world:open()
      local dev = world:registered { alternate = "/lwm2m" }
      assert.same({ ["/3/0/0"] = "Moonwire" }, world:call("read", dev.endpoint, "/3/0/0"))
      assert.equal("</lwm2m>;rt=\"oma.lwm2m\";ct=\"60 112 11542\",</lwm2m/1/0>,</lwm2m/3/0>,</lwm2m/3303/0>",
        world.host:device(dev.endpoint).links)
    end)

    it("takes a big object list in blocks", function()
      world:open()
      local objects = { [1] = { [0] = { [0] = 1 } }, [3] = { [0] = { [0] = "x" } } }
      for oid = 3300, 3350 do
        objects[oid] = {}
        for iid = 0, 9 do objects[oid][iid] = { [5700] = 1.5 } end
      end
      local dev = world:registered { objects = objects }
      local links = world.host:device(dev.endpoint).links
      assert.is_true(#links > 5000)
      assert.truthy(links:find("</3350/9>", 1, true))
      objects[3400] = { [0] = { [1] = "new" } }
      dev:set("/3400/0/1", "new")
      local code
      dev:update({ objects = true }, function(_, c) code = c end)
      world:run(function() return code end)
      assert.equal("2.04", code)
      assert.truthy(world.host:device(dev.endpoint).links:find("</3400/0>", 1, true))
    end)

    it("survives lost and doubled datagrams with one registration", function()
      world:open()
      local dev = world:device()
      dev:fault("drop_in", 1) -- the 2.01
      world:register(dev)
      dev:fault("twice_out", 1)
      world:register(dev)
      world:settle()
      assert.equal(2, #world:named("device.registered"))
      assert.is_true(world:stat("coap.duplicates") >= 2)
      assert.equal(1, world:stat("devices.registered"))
    end)
  end)

  describe("goes on with", function()
    it("updates: keep-alive, lifetime, binding, objects, address", function()
      world:open()
      local dev = world:registered()
      local function update(changes)
        local code
        dev:update(changes, function(_, c) code = c end)
        world:run(function() return code end)
        assert.equal("2.04", code)
        return world.host:device(dev.endpoint)
      end
      update()
      assert.equal(0, #world:named("device.updated")) -- a plain keep-alive is no news
      assert.equal(77, update({ lifetime = 77 }).lifetime)
      assert.is_false(world:event("device.updated", 1).objects_changed)
      assert.equal("US", update({ binding = "US" }).binding)
      dev:set("/3304/0/5700", 55.5)
      assert.truthy(update({ objects = true }).links:find("</3304/0>", 1, true))
      assert.is_true(world:event("device.updated", 3).objects_changed)
      dev:rebind()
      assert.equal("127.0.0.1:" .. dev:port(), update().address)
      world:event("device.updated", 4)
      assert.same({ ["/3/0/0"] = "Moonwire" }, world:call("read", dev.endpoint, "/3/0/0")) -- at its new address
    end)

    it("a De-register", function()
      world:open()
      local dev = world:registered()
      dev:deregister()
      world:run(function() return dev.state == "idle" end)
      assert.equal(dev.endpoint, world:event("device.deregistered").endpoint)
      assert.is_false(world.host:device(dev.endpoint).registered)
      local _, _, code = world:call("read", dev.endpoint, "/3/0")
      assert.equal("ESTATE", code)
    end)

    it("a new Register, whose location alone counts then", function()
      world:open()
      local dev = world:registered()
      local old = dev.location
      world:register(dev)
      assert.are_not.equal(old, dev.location)
      local peer = world:peer()
      assert.equal("4.04", peer:ask({ code = "POST", path = old }).code)
      assert.equal("4.04", peer:ask({ code = "DELETE", path = old }).code)
      assert.is_true(world.host:device(dev.endpoint).registered)
      assert.equal(1, world:stat("devices.known"))
    end)

    it("its end when the lifetime is over, and 4.04 for what comes later", function()
      world:open { lifetime_grace = 1 }
      local dev = world:registered { lifetime = 1 }
      local stays = world:registered { lifetime = 0 }
      assert.is_nil(world.host:device(stays.endpoint).expires_ms)
      assert.equal(dev.endpoint, world:event("device.expired").endpoint)
      assert.is_false(world.host:device(dev.endpoint).registered)
      assert.is_true(world.host:device(stays.endpoint).registered)
      dev:update() -- is told 4.04 and registers again by itself
      world:event("device.registered", 3)
    end)

    it("a longer life when updates come in time", function()
      world:open { lifetime_grace = 1 }
      local kept, left = world:registered { lifetime = 2 }, world:registered { lifetime = 1 }
      local start = os.time()
      world:run(function()
        if os.time() > start then kept:update(); start = os.time() end
        return #world:named("device.expired") > 0 and kept.last_code == "2.04"
      end)
      assert.equal(left.endpoint, world:named("device.expired")[1].endpoint)
      assert.is_true(world.host:device(kept.endpoint).registered)
    end)

    it("5.03 and Max-Age for one device too many", function()
      world:open { max_devices = 1 }
      world:registered()
      local answer = world:peer():ask(register())
      assert.equal("5.03", answer.code)
      assert.equal(60, Coap.option_number(answer, 14))
      assert.truthy(answer.payload:find("max_devices is 1", 1, true))
    end)
  end)

  describe("answers hand-made datagrams", function()
    local refused = {
      { "4.15", "another format", { format = 0 } },
      { "4.00", "no version", { query = { "ep=raw" } } },
      { "4.00", "no name", { query = { "lwm2m=1.1" } } },
      { "4.00", "an empty name", { query = { "ep=", "lwm2m=1.1" } } },
      { "4.00", "a control character in the name", { query = { "ep=a\nb", "lwm2m=1.1" } } },
      { "4.00", "a name that is no UTF-8", { query = { "ep=\xc0\x80", "lwm2m=1.1" } } },
      { "4.00", "a parameter twice", { query = { "ep=raw", "ep=other", "lwm2m=1.1" } } },
      { "4.00", "a negative lifetime", { query = { "ep=raw", "lwm2m=1.1", "lt=-1" } } },
      { "4.00", "a lifetime of 33 bits", { query = { "ep=raw", "lwm2m=1.1", "lt=4294967296" } } },
      { "4.00", "an unknown binding", { query = { "ep=raw", "lwm2m=1.1", "b=UX" } } },
      { "4.00", "a binding of another version", { query = { "ep=raw", "lwm2m=1.0", "b=UT" } } },
      { "4.12", "a version to come", { query = { "ep=raw", "lwm2m=2.0" } } },
      { "4.00", "a version that is none", { query = { "ep=raw", "lwm2m=new" } } },
      { "4.00", "no objects", { payload = "" } },
      { "4.09", "no objects in 1.2", { payload = "", query = { "ep=raw", "lwm2m=1.2" } } },
      { "4.00", "objects that are none", { payload = "hello" } },
      { "4.00", "a non-confirmable message", { type = "NON" } },
      { "4.05", "GET", { code = "GET", payload = "" } },
      { "4.05", "DELETE of all", { code = "DELETE", payload = "" } },
      { "4.05", "PUT to a registration", { code = "PUT", path = "/rd/0123456789" } },
      { "4.04", "another path", { path = "/bs" } },
      { "4.04", "a deeper path", { path = "/rd/a/b" } },
      { "4.04", "an update of nothing", { path = "/rd/0123456789a" } },
      { "4.02", "a critical option nobody knows", { options = { { 2049, "x" } } } },
      { "4.02", "a critical option that comes twice", { options = { { 17, "" }, { 17, "" } } } },
    }
    for _, case in ipairs(refused) do
      local code, name, changes = table.unpack(case)
      it(("%s to %s"):format(code, name), function()
        world:open()
        local m = register(changes)
        local peer = world:peer()
        local answer = peer:ask(m)
        assert.equal(code, answer.code)
        assert.is_true(#answer.payload > 0, "it says why")
        assert.equal(m.type == "NON" and "NON" or "ACK", answer.type)
        assert.equal(0, world:stat("devices.registered"))
        assert.equal("2.01", peer:ask(register()).code)
      end)
    end

    it("2.01 to a Register that leaves the format out", function()
      world:open()
      local m = register()
      m.format = nil
      assert.equal("2.01", world:peer():ask(m).code)
    end)

    it("2.01 to a Register with elective options it does not know", function()
      world:open()
      assert.equal("2.01", world:peer():ask(register { options = { { 2048, "x" }, { 60000, "" } } }).code)
    end)

    it("the same to a repeated Register, which counts once", function()
      world:open()
      local peer = world:peer()
      local m = register { mid = 7 }
      local first, second = peer:ask(m), peer:ask(m)
      assert.equal(first.bytes, second.bytes)
      assert.equal(1, world:stat("lwm2m.registrations"))
    end)
  end)

  describe("listens", function()
    it("on all addresses, and answers from the one that was asked", function()
      world:open { listen = { "0.0.0.0:0" } }
      local answer = world:peer():ask(register(), "127.0.0.2")
      assert.same({ "2.01", "127.0.0.2" }, { answer.code, answer.from })
    end)

    it("on several addresses, IPv6 too", function()
      local ok = world:try_open { listen = { "[::1]:0" }, store = world:path("v6.db") }
      if not ok then pending("this machine has no IPv6 on loopback") end
      ok:close()
      local host = world:open { listen = { "127.0.0.1:0", "127.0.0.2:0", "[::1]:0" } }
      local addresses = host:listen_addresses()
      assert.equal(3, #addresses)
      assert.truthy(addresses[2]:match("^127%.0%.0%.2:%d+$"))
      assert.truthy(addresses[3]:match("^%[::1%]:%d+$"))
      world.port = tonumber(addresses[2]:match(":(%d+)$"))
      assert.equal("2.01", world:peer():ask(register(), "127.0.0.2").code)
    end)

    for _, address in ipairs { "127.0.0.1:65536", "127.0.0.1:", "[::1", "nonsense:1", "", "127.0.0.1:5x" } do
      it(("not on %q, and says so"):format(address), function()
        local host, err = world:try_open { listen = { address } }
        assert.is_nil(host)
        assert.truthy(err:find(address:match("^%[?([^:]*)"), 1, true), err)
      end)
    end

    it("not on a port that is taken", function()
      world:open()
      local host, err = world:try_open { listen = { "127.0.0.1:" .. world.port }, store = world:path("other.db") }
      assert.is_nil(host)
      assert.truthy(err:find("in use", 1, true))
    end)
  end)
end)
