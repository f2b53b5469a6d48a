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
    { { commit_ms = "5" }, "commit_ms must be a whole number" }, { { commit_ms = 5.0 }, "commit_ms" },
    { { lifetime_grace = 0 }, "lifetime_grace must not be 0" }, { { dedup_bytes = 0 }, "dedup_bytes must not be 0" },
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

  -- Steps until `until_`, and keeps what failing callbacks said.
  local function run_with_errors(until_)
    local host, errors = world.host, {}
    local raw = { fd = function() return host:fd() end, timeout_ms = function() return host:timeout_ms() end,
      step = function()
        local ok, err, code = host:step()
        if not ok then errors[#errors + 1] = code .. " " .. err end
      end }
    assert.truthy(require("moonwire.sim").run { host = raw, devices = world.devices, until_ = until_, timeout_ms = 10000 })
    return errors
  end

  it("tells the later listeners when an earlier one raises, and says the first error", function()
    local host = world:open()
    local dev = world:registered()
    local told = {}
    host:on("value.received", function() told[#told + 1] = 1; error("first mistake") end)
    host:on("value.received", function() told[#told + 1] = 2; error("second mistake") end)
    host:on("value.received", function() told[#told + 1] = 3 end)
    local done
    host:read(dev.endpoint, "/3/0/0", function() done = true end)
    local errors = run_with_errors(function() return done end)
    assert.same({ 1, 2, 3 }, told)
    assert.equal(1, #errors)
    assert.truthy(errors[1]:find("^ESCRIPT .*first mistake"), errors[1])
    assert.is_true(host:step()) -- told once
  end)

  it("refuses the name of no event, and says which one is near", function()
    local host = world:open()
    for name, nearest in pairs { ["value.recieved"] = "value.received", ["device.register"] = "device.registered",
      ["Feed.commited"] = "feed.committed" } do
      local ok, err = pcall(host.on, host, name, print)
      assert.is_false(ok)
      assert.truthy(err:find(nearest, 1, true), err)
    end
    assert.has_error(function() host:on(("x"):rep(100000), print) end)
    assert.has_error(function() host:on("value.received\0", print) end)
  end)

  it("forgets a listener that is taken away, also while events are told", function()
    local host = world:open()
    local weak = setmetatable({}, { __mode = "k" })
    local function listener(...)
      local id
      local held = { ... } -- something for the collector
      local function fn() host:off(id, held) end
      weak[fn] = true
      id = host:on("device.registered", fn)
      return id
    end
    for i = 1, 100 do assert.is_true(host:off(listener(i))) end
    assert.is_false(host:off(listener() - 1))
    listener() -- both take themselves away while they are told
    world:registered()
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
    local told = 0
    host:on("device.registered", function() told = told + 1 end)
    world:registered()
    assert.equal(1, told)
  end)

  it("writes log lines also outside of step", function()
    local host = world:open { log_level = "trace" }
    local dev = world:registered()
    local n = #world.lines
    local id = host:read(dev.endpoint, "/3/0/0", function() end)
    assert.is_true(#world.lines > n, "host:read logged nothing")
    n = #world.lines
    host:cancel(id)
    assert.is_true(#world.lines >= n)
  end)

  it("does not keep what it was given when it cannot open", function()
    local weak = setmetatable({}, { __mode = "k" })
    do
      local lines = {}
      local function log(_, _, text) lines[#lines + 1] = text end
      weak[log] = true
      local host, err, code = core.host { store = world:path("no/such/folder/x.db"), listen = "127.0.0.1:0", log = log }
      assert.is_nil(host)
      assert.truthy(err:find("no/such/folder", 1, true), err)
      assert.equal("string", type(code))
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)

  it("says why it does not open with a word that is about it", function()
    world:open()
    local host, _, code = core.host { store = world:path("store.db"), listen = "127.0.0.1:0" }
    assert.is_nil(host)
    assert.equal("ESTATE", code) -- another host has the store
  end)

  it("walks its devices one at a time, and stops when it is closed", function()
    local host = world:open()
    for i = 1, 5 do world:registered { endpoint = "d" .. i } end
    local names = {}
    for device in host:devices() do
      names[#names + 1] = device.endpoint
      assert.is_true(device.registered)
    end
    table.sort(names)
    assert.same({ "d1", "d2", "d3", "d4", "d5" }, names)
    local next_device = host:devices()
    next_device()
    world:close_host()
    assert.has_error(next_device, "the host is closed")
  end)

  it("tells objects and observations of a device", function()
    local host = world:open()
    local dev = world:registered { objects = { [3] = { [0] = { [0] = "x" } }, [3303] = { [0] = { [5700] = 1.5 }, [7] = {} } } }
    local links = {}
    for i, link in ipairs(host:links(dev.endpoint)) do links[i] = ("%d/%s"):format(link.oid, link.iid) end
    table.sort(links)
    assert.same({ "3/0", "3303/0", "3303/7" }, links)
    assert.is_false(host:is_observed(dev.endpoint, "/3303/0/5700"))
    world:call("observe", dev.endpoint, "/3303/0/5700")
    assert.is_true(host:is_observed(dev.endpoint, "/3303/0/5700"))
    assert.same({ nil, "ENOTFOUND" }, { (host:links("nobody")), (select(3, host:links("nobody"))) })
    assert.equal("ENOTFOUND", (select(3, host:is_observed("nobody", "/3"))))
  end)

  it("puts measurements, events and alarms", function()
    local host = world:open()
    local dev = world:registered()
    local e = dev.endpoint
    assert.is_true(host:put_measurement { endpoint = e, type = "T", series = "T.T", value = 21.5, unit = "Cel",
      time_ms = 1700000000000, path = "/3303/0/5700" })
    assert.is_true(host:put_measurement { endpoint = e, type = "N", series = "N.N", value = math.maxinteger })
    assert.is_true(host:put_event { endpoint = e, type = "Door", text = "it is open" })
    assert.is_true(host:put_alarm { endpoint = e, type = "Hot", severity = "MAJOR", text = "too hot" })
    assert.is_true(host:put_alarm { endpoint = e, type = "Hot", status = "CLEARED", text = "well again" })
    assert.equal("ENOTFOUND", (select(3, host:put_event { endpoint = "nobody", type = "x", text = "y" })))
    for _, case in ipairs {
      { "put_measurement", { type = "T", series = "T.T", value = 1 }, "endpoint must be a string" },
      { "put_measurement", { endpoint = e, type = "T", series = "T.T", value = "1" }, "value must be a finite number" },
      { "put_measurement", { endpoint = e, type = "T", series = "T.T", value = 0 / 0 }, "value must be a finite number" },
      { "put_measurement", { endpoint = e, type = "T", series = "T.T", value = 1, untis = "x" }, 'unknown field "untis"' },
      { "put_measurement", { endpoint = e, type = "T", series = "T.T", value = 1, path = "/x" }, "path must look like" },
      { "put_event", { endpoint = e, type = "T", text = "", }, "text must not be empty" },
      { "put_event", { endpoint = e, type = "T", text = "x", time_ms = 1.5 }, "time_ms must be" },
      { "put_alarm", { endpoint = e, type = "T", text = "x" }, "severity must be WARNING, MINOR, MAJOR or CRITICAL" },
      { "put_alarm", { endpoint = e, type = "T", text = "x", severity = "MAJOR", status = "ON" }, "status must be ACTIVE" },
    } do
      local ok, err = pcall(host[case[1]], host, case[2])
      assert.is_false(ok)
      assert.truthy(err:find(case[3], 1, true), err)
    end
    world:close_host()
    local row = world:feed { type = "T" }[1]
    assert.same({ e, 21.5, "Cel", "T.T", 1700000000000, "/3303/0/5700" },
      { row.endpoint, row.value, row.unit, row.series, row.time_ms, row.path })
    assert.equal(math.maxinteger, world:feed { type = "N" }[1].value)
    assert.equal("it is open", world:feed({ kind = "event" })[1].text)
    local alarms = world:feed { kind = "alarm" }
    assert.same({ "ACTIVE", "CLEARED" }, { alarms[1].status, alarms[2].status })
  end)

  it("acknowledges a notification when the items are on disk that a listener put", function()
    -- Nothing commits but a waiting ACK: without the number that the listener gives, the row stays in memory.
    local host = world:open { commit_ms = 60000, commit_rows = 1000000 }
    local dev = world:registered()
    host:on("value.received", function() error("not this one") end)
    host:on("value.received", function(event)
      if event.source ~= "notify" then return end
      assert(host:put_measurement { endpoint = event.endpoint, type = "T", series = "T.T", value = event.values[event.path] })
      return 1
    end)
    local observed
    host:observe(dev.endpoint, "/3303/0/5700", function(values) observed = values end)
    run_with_errors(function() return observed end)
    dev:set("/3303/0/5700", 30.5)
    run_with_errors(function() return #world:feed { type = "T" } == 1 end)
    assert.equal(30.5, world:feed({ type = "T" })[1].value)
  end)

  it("has an error, not a hole and not a wrap, for a value above 2^63-1", function()
    local host = world:open()
    local peer = world:peer()
    assert.equal("2.01", peer:ask { code = "POST", path = "/rd", format = 40, payload = "</1/0>",
      query = { "ep=big", "lt=300", "lwm2m=1.1", "b=U" } }.code)
    local result
    host:read("big", "/1/0", function(...) result = table.pack(...) end)
    local request = peer:receive(function(m) return m.code == "0.01" end)
    peer:send { type = "ACK", code = "2.05", mid = request.mid, token = request.token, format = 11542,
      payload = "\xC2\x01\x01\x2C" .. "\xC8\x0D\x08" .. ("\xFF"):rep(8) } -- 1 = 300, 13 = 2^64 - 1
    world:run(function() return result end)
    local sentence = "value of /1/0/13 is above 2^63-1 and has no Lua integer"
    assert.same({ nil, sentence, "ETYPE", n = 3 }, result)
    local event = world:event("value.received")
    assert.same({ ["/1/0/1"] = 300 }, event.values)
    assert.same({ ["/1/0/13"] = sentence }, event.errors)
  end)

  it("counts what its scripts do", function()
    world:write("scripts/protocols/t.lua",
      "return protocol { object = 3303, resources = { [5700] = { measurement = { type = 'T', series = 'T.T' } } } }\n")
    local host = world:open { scripts = world:path("scripts"), lua_dir = require("lfs").currentdir() .. "/lua", watch = false }
    assert.is_true(host:stats()["script.entries"] > 0)
  end)

  it("lives beside another one, and moves a device from one to the other", function()
    local one = world:open()
    local dev = world:registered()
    local other = World.new()
    finally(function() other:close() end)
    other:open()
    local same = other:registered { endpoint = dev.endpoint }
    assert.are_not.equal(one:device(dev.endpoint).location, other.host:device(same.endpoint).location)
    local known = {}
    for device in one:devices() do known[#known + 1] = device.endpoint end
    assert.same({ dev.endpoint }, known)
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
