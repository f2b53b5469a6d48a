--- The host as a Lua object: how a program of one's own drives it, and what it does with that program's mistakes.
local World = require "spec.support.world"
local core = require "moonwire.core"

describe("a host in Lua", function()
  local world
  before_each(function() world = World.new() end)
  after_each(function() world:close() end)

  local bad = {
    { { listen = 5 }, "listen" }, { { listen = { 5 } }, "listen%[1%]" }, { { store = true }, "store" },
    { { commit_ms = -1 }, "commit_ms" }, { { commit_ms = 1.5 }, "commit_ms" },
    { { max_devices = 1 << 32 }, "max_devices" }, { { log_level = "loud" }, "log_level" },
    { { listen = { "a", "b", "c", "d", "e", "f", "g", "h", "i" } }, "listen has 9" },
  }
  for i, case in ipairs(bad) do
    it("names a key of a wrong type, " .. i, function()
      local ok, err = pcall(core.host, case[1])
      assert.is_false(ok)
      assert.truthy(err:find(case[2]), err)
    end)
  end

  it("keeps on when a listener fails, and says so once", function()
    local host = world:open()
    local dev = world:registered()
    local id = host:on("value.received", function() error("my mistake") end)
    local values, failure
    host:read(dev.endpoint, "/3/0/0", function(v) values = v end)
    local raw = { fd = function() return host:fd() end, timeout_ms = function() return host:timeout_ms() end,
      step = function()
        local ok, err, code = host:step()
        if not ok then failure = { err, code } end
      end }
    assert.truthy(require("moonwire.sim").run { host = raw, devices = { dev }, until_ = function() return values end })
    assert.truthy(failure[1]:find("my mistake", 1, true))
    assert.truthy(failure[1]:find("traceback", 1, true))
    assert.equal("ESCRIPT", failure[2])
    host:off(id)
    assert.same({ ["/3/0/0"] = "Moonwire" }, world:call("read", dev.endpoint, "/3/0/0"))
  end)

  it("is neither run nor closed by its own callbacks, which may do all else", function()
    local host = world:open()
    local dev = world:registered()
    local errors, values = {}, nil
    host:read(dev.endpoint, "/3/0/0", function()
      for _, name in ipairs { "step", "run", "close" } do
        local ok, err = pcall(host[name], host)
        errors[#errors + 1] = not ok and err
      end
      host:on("device.updated", print)
      host:read(dev.endpoint, "/3/0/1", function(v) values = v end)
    end)
    world:run(function() return values end)
    assert.equal(3, #errors)
    for _, err in ipairs(errors) do assert.truthy(err:find("callback must not", 1, true), err) end
    assert.same({ ["/3/0/1"] = "sim" }, values)
  end)

  it("tells listeners that come and go while they are told", function()
    local host = world:open()
    local told, second = {}, nil
    host:on("device.registered", function() told[#told + 1] = "first"; host:off(second) end)
    second = host:on("device.registered", function() told[#told + 1] = "second" end)
    host:on("device.registered", function()
      told[#told + 1] = "third"
      host:on("device.registered", function() told[#told + 1] = "late" end)
    end)
    world:registered()
    assert.same({ "first", "third" }, told)
  end)

  it("lives beside another one, and moves a device from one to the other", function()
    local one = world:open()
    local dev = world:registered()
    local other = World.new()
    finally(function() other:close() end)
    other:open()
    local same = other:registered { endpoint = dev.endpoint }
    assert.are_not.equal(one:device(dev.endpoint).location, other.host:device(same.endpoint).location)
    assert.equal(1, #one:devices())
    other:close_host()
    assert.same({ ["/3/0/0"] = "Moonwire" }, world:call("read", dev.endpoint, "/3/0/0"))
  end)

  it("changes its log levels while it runs", function()
    local host = world:open { log_level = "error" }
    world:registered()
    assert.same({}, world.lines)
    assert.is_true(host:log_level("reg", "info"))
    world:registered()
    assert.equal(1, #world.lines)
    assert.truthy(world.lines[1]:find("^info REG ep=urn:dev:2 registered"))
    for _, pair in ipairs { { "nosuch", "info" }, { "reg", "loud" } } do
      local ok, err, code = host:log_level(pair[1], pair[2])
      assert.same({ nil, "ENOTFOUND" }, { ok, code })
      assert.truthy(err:find("loud", 1, true) or err:find("nosuch", 1, true))
    end
  end)

  it("is closed once, and then refuses by name", function()
    local host = world:open()
    host:close()
    host:close()
    for _, name in ipairs { "fd", "timeout_ms", "step", "run", "stop", "stats", "devices", "listen_addresses", "scripts" } do
      local ok, err = pcall(host[name], host)
      assert.is_false(ok)
      assert.truthy(err:find("the host is closed", 1, true))
    end
    world.host = nil
  end)

  it("is closed by the end of its scope and by the collector", function()
    do
      local host <close> = assert(world:try_open())
      assert.equal("userdata", type(host))
    end
    assert.truthy(world:try_open()) -- kept by nobody
    collectgarbage()
    collectgarbage()
    world:open()
  end)

  it("runs until it is told to stop, also by a listener", function()
    local host = world:open()
    local dev = world:device()
    dev:register()
    dev:step()
    host:on("device.registered", function() host:stop() end)
    assert.is_true(host:run())
    assert.is_true(host:device(dev.endpoint).registered)
  end)

  it("has readers of its store, that need no host", function()
    world:open()
    world:registered { endpoint = "known" }
    local reader = assert(core.reader(world:path("store.db")))
    world:close_host()
    assert.equal("known", reader:devices()[1].endpoint)
    assert.same({}, reader:devices { endpoint = "other" })
    assert.is_true(#reader:feed() >= 0)
    assert.has_error(function() reader:feed { kind = "nonsense" } end)
    assert.has_error(function() reader:feed { limit = "many" } end)
    reader:close()
    assert.has_error(function() reader:devices() end)
    local none, err, code = core.reader(world:path("missing.db"))
    assert.same({ nil, "ENOTFOUND" }, { none, code })
    assert.truthy(err:find("missing.db", 1, true))
  end)
end)
