--- The `moonwire` command as operators use it: help, mistakes, checks, looking into a store, a foreign client.
local World = require "spec.support.world"
local json = require "dkjson"

local COMMANDS = { "demo", "serve", "check", "devices", "measurements", "alarms", "sim" }
local GOOD_SCRIPT = [[
return protocol {
  object = 3303,
  resources = { [5700] = { measurement = { type = "T", series = "T.T", unit = "Cel" } } },
}
]]

describe("the moonwire command", function()
  local world
  before_each(function() world = World.new() end)
  after_each(function() world:close() end)

  local function lines_of(text)
    local out = {}
    for line in text:gmatch("[^\n]+") do out[#out + 1] = line end
    return out
  end

  local function decode(line)
    local value, _, err = json.decode(line)
    assert(value ~= nil, err)
    return value
  end

  local function has(text, part) assert.truthy(text:find(part, 1, true), ("no %q in:\n%s"):format(part, text)) end

  describe("helps", function()
    it("with an overview", function()
      local status, out = world:moonwire("--help")
      assert.equal(0, status)
      for _, name in ipairs(COMMANDS) do has(out, "\n  " .. name .. " ") end
      status = world:moonwire()
      assert.equal(2, status)
    end)

    for _, name in ipairs(COMMANDS) do
      it("with " .. name, function()
        local status, out, err = world:moonwire(name, "--help")
        assert.same({ 0, "" }, { status, err })
        has(out, "usage: moonwire " .. name)
        has(out, "--help")
        local _, short = world:moonwire(name, "-h")
        assert.equal(out, short)
      end)
    end

    it("with its version", function()
      local status, out = world:moonwire("--version")
      assert.equal(0, status)
      assert.truthy(out:match("^moonwire %d+%.%d+%.%d+\n$"))
    end)
  end)

  describe("answers wrong use with status 2 and a suggestion:", function()
    for _, case in ipairs {
      { { "devises" }, "did you mean devices?" },
      { { "frobnicate" }, "moonwire --help" },
      { { "devices", "--jsom" }, "did you mean --json?" },
      { { "devices", "--json=1" }, "--json takes no value" },
      { { "devices", "--store" }, "--store wants a value" },
      { { "measurements", "--limit", "many" }, "whole number" },
      { { "serve", "--listne", "x" }, "did you mean --listen?" },
      { { "check", "-q" }, "unknown option -q" },
      { { "serve", "moonwire.lua" }, 'serve does not take "moonwire.lua"' },
      { { "demo", "x" }, 'demo does not take "x"' },
      { { "devices", "a", "b" }, 'devices does not take "b"' },
    } do
      it(table.concat(case[1], " "), function()
        local status, out, err = world:moonwire(table.unpack(case[1]))
        assert.same({ 2, "" }, { status, out })
        has(err, case[2])
        has(err, "moonwire: ")
      end)
    end
  end)

  describe("check", function()
    it("is content with good scripts, definitions and configuration", function()
      world:write("scripts/protocols/temperature.lua", GOOD_SCRIPT)
      world:write("moonwire.lua", "return { listen = \"127.0.0.1:0\", log_level = \"warn\" }\n")
      local status, out, err = world:moonwire("check")
      assert.same({ 0, "" }, { status, err }, out)
      has(out, "ok moonwire.lua (configuration)")
      has(out, "ok scripts (1 script file")
      status, out = world:moonwire("check", require("lfs").currentdir() .. "/ddf")
      assert.equal(0, status, out)
      has(out, "definition files")
      status, out = world:moonwire("check", require("lfs").currentdir() .. "/scripts")
      assert.equal(0, status, out)
    end)

    it("names file, line and reason of a script that does not compile", function()
      world:write("scripts/protocols/good.lua", GOOD_SCRIPT)
      world:write("scripts/protocols/bad.lua", "return protocol {\n  object = 3303,\n  resources = = {},\n}\n")
      local status, out = world:moonwire("check", "scripts")
      assert.equal(1, status)
      has(out, "scripts/protocols/bad.lua:3: ")
      assert.is_nil(out:find("good.lua", 1, true))
      status, out = world:moonwire("check", "scripts/", "--json")
      assert.equal(1, status)
      local problem = decode(lines_of(out)[1])
      assert.same({ "scripts/protocols/bad.lua", 3, true }, { problem.file, problem.line, problem.fatal })
      assert.is_true(#problem.reason > 5)
    end)

    it("suggests the key that was meant in a script", function()
      world:write("scripts/protocols/typo.lua", (GOOD_SCRIPT:gsub("measurement", "mesurement")))
      local status, out = world:moonwire("check", "scripts")
      assert.equal(1, status)
      has(out, "scripts/protocols/typo.lua")
      has(out, "measurement")
    end)

    it("ends with a script that does not end", function()
      world:write("scripts/protocols/loop.lua", "while true do end\n")
      local status, out = world:moonwire("check", "scripts")
      assert.equal(1, status)
      has(out, "scripts/protocols/loop.lua")
    end)

    it("names file, line and reason in object definitions", function()
      world:write("ddf/good.xml", World.read("ddf/3303.xml"))
      world:write("ddf/broken.xml", "<LWM2M>\n<Object>\n</LWM2M>\n")
      local status, out = world:moonwire("check", "ddf")
      assert.equal(1, status)
      assert.truthy(out:match("ddf/broken%.xml:%d+: %S"), out)
      assert.is_nil(out:find("good.xml", 1, true))
    end)

    it("names every mistake in a configuration", function()
      local path = world:write("my.lua", "return {\n  listne = \"x\",\n  commit_ms = -1,\n  log_level = \"loud\",\n}\n")
      local status, out = world:moonwire("check", path)
      assert.equal(1, status)
      has(out, path .. ":2: unknown key listne (did you mean listen?)")
      has(out, path .. ":3: commit_ms must be a whole number")
      has(out, path .. ":4: log_level must be")
      local failed, _, err = world:moonwire("serve", "--config", path)
      assert.equal(1, failed)
      has(err, path .. ":2:")
    end)

    it("does not run a configuration that is a program", function()
      local path = world:write("my.lua", "os.exit(3)\nreturn {}\n")
      local status, out = world:moonwire("check", path)
      assert.equal(1, status)
      has(out, path .. ":1:")
    end)

    it("takes a folder for definitions when all of them are broken", function()
      world:write("defs/a.xml", "<LWM2M>")
      world:write("defs/b.xml", "no definition")
      local status, out = world:moonwire("check", "defs")
      assert.equal(1, status)
      has(out, "defs/a.xml:")
      has(out, "defs/b.xml:")
    end)

    it("does not praise a folder that has nothing to check", function()
      world:write("void/notes.txt", "")
      local status, out = world:moonwire("check", "void")
      assert.equal(1, status)
      has(out, "void: nothing to check here: scripts (*.lua")
    end)

    it("checks one definition, and says how scripts are checked", function()
      world:write("ddf/good.xml", World.read("ddf/3303.xml"))
      world:write("ddf/broken.xml", "<LWM2M>")
      local status, out = world:moonwire("check", "ddf/good.xml")
      assert.same({ 0, "ok ddf/good.xml (object definition)\n" }, { status, out })
      status, out = world:moonwire("check", "ddf/broken.xml")
      assert.equal(1, status)
      has(out, "ddf/broken.xml:")
      world:write("scripts/protocols/t.lua", GOOD_SCRIPT)
      status, out = world:moonwire("check", "scripts/protocols/t.lua")
      assert.equal(1, status)
      has(out, "this is a script: name the folder")
    end)

    it("has no defect with a folder as configuration", function()
      local status, _, err = world:moonwire("serve", "--config", ".")
      assert.equal(1, status)
      has(err, ". is a folder, not a file")
    end)

    it("says what it cannot find", function()
      local status, out = world:moonwire("check", "nowhere")
      assert.equal(1, status)
      has(out, "nowhere")
      status = world:moonwire("check")
      assert.equal(1, status)
    end)
  end)

  describe("looks into a store:", function()
    local function filled()
      world:open()
      world:registered { endpoint = "plain", lifetime = 300 }
      world:registered { endpoint = "odd \"name\" ü", lifetime = 4294967295, queue = true, version = "1.2" }
      local gone = world:registered { endpoint = "gone" }
      gone:deregister()
      world:run(function() return gone.state == "idle" end)
    end

    it("devices as a table, beside a running server", function()
      filled()
      local status, out, err = world:moonwire("devices", "--store", world:path("store.db"))
      assert.same({ 0, "" }, { status, err })
      local lines = lines_of(out)
      assert.equal(4, #lines)
      assert.truthy(lines[1]:match("^ENDPOINT%s+STATE%s+LWM2M%s+ADDRESS"))
      has(out, "plain")
      has(out, "1/0 3/0 3303/0")
      assert.truthy(out:match("gone%s+known"))
      status, out = world:moonwire("devices", "plain", "--store", world:path("store.db"))
      assert.same({ 0, 2 }, { status, #lines_of(out) })
      local _, nothing = world:moonwire("devices", "nobody", "--store", world:path("store.db"))
      has(nothing, "no such device")
    end)

    it("devices page by page", function()
      filled()
      local reader = assert(require("moonwire.core").reader(world:path("store.db")))
      local names, after = {}, 0
      repeat
        local rows = reader:devices { after = after, limit = 2 }
        for _, row in ipairs(rows) do names[#names + 1] = row.endpoint end
        after = rows[1] and rows[#rows].id
      until #rows < 2
      assert.same({ "plain", "odd \"name\" ü", "gone" }, names)
      assert.same({}, reader:devices { after = 1000 })
      assert.same({}, reader:devices { endpoint = "plain", after = 1 })
      reader:close()
    end)

    it("devices as JSON with every digit", function()
      filled()
      world:close_host()
      local status, out = world:moonwire("devices", "--json", "--store", world:path("store.db"))
      assert.equal(0, status)
      local by_name = {}
      for _, line in ipairs(lines_of(out)) do
        local row = decode(line)
        by_name[row.endpoint] = row
      end
      local odd = assert(by_name["odd \"name\" ü"])
      assert.same({ 4294967295, true, "1.2", true }, { odd.lifetime, odd.queue_mode, odd.version, odd.registered })
      assert.equal("integer", math.type(odd.registered_ms))
      assert.is_false(by_name.gone.registered)
    end)

    it("what is not there yet is said, and is no failure", function()
      world:open()
      local status, out = world:moonwire("measurements", "--store", world:path("store.db"))
      assert.same({ 0, "no measurement is stored yet\n" }, { status, out })
      status, out = world:moonwire("alarms", "--store", world:path("store.db"), "--json")
      assert.same({ 0, "" }, { status, out })
    end)

    it("a store that is not there, by its name", function()
      local status, _, err = world:moonwire("devices", "--store", "nowhere.db")
      assert.equal(1, status)
      has(err, "nowhere.db")
      assert.is_nil(io.open(world:path("nowhere.db")))
    end)

    it("measurements as table and JSON, 64-bit integers exact", function()
      world:write("scripts/protocols/counter.lua", [[
return protocol {
  object = 31000,
  resources = {
    [1] = { observe = {}, measurement = { type = "Count", series = "Count.N", unit = "1" } },
    [2] = { observe = {}, measurement = { type = "Level", series = "Level.L", unit = "dB" } },
  },
}
]])
      world:open { scripts = world:path("scripts"), lua_dir = require("lfs").currentdir() .. "/lua", watch = false }
      world:registered { endpoint = "meter", objects = { [31000] = { [0] = { [1] = math.maxinteger - 1, [2] = 0.1 } } } }
      world:run(function() return world:stat("store.feed_rows") >= 2 end)
      local status, out = world:moonwire("measurements", "meter", "--type", "Count", "--json", "--store", world:path("store.db"))
      assert.equal(0, status)
      local row = decode(lines_of(out)[1])
      assert.same({ "meter", "Count", "Count.N", "1", "/31000/0/1" },
        { row.endpoint, row.type, row.series, row.unit, row.path })
      has(out, ("\"value\":%d"):format(math.maxinteger - 1))
      status, out = world:moonwire("measurements", "--store", world:path("store.db"))
      assert.equal(0, status)
      has(out, ("%d"):format(math.maxinteger - 1))
      has(out, " 0.1 ")
    end)
  end)

  describe("serve", function()
    it("ends at SIGTERM and at Ctrl-C with status 0", function()
      for _, signal in ipairs { "TERM", "INT" } do
        local rest, status = world:stop(world:serve(), signal)
        assert.equal(0, status, rest)
      end
    end)

    it("does not end at a SIGUSR1 of somebody else", function()
      local server = world:serve()
      assert(os.execute("kill -s USR1 " .. server.pid))
      assert.equal("registered", world:registered().state)
      local rest, status = world:stop(server, "TERM")
      assert.equal(0, status, rest)
    end)

    it("takes its configuration from moonwire.lua; options win", function()
      world:write("moonwire.lua", "return { listen = \"127.0.0.1:1\", max_devices = 1 }\n")
      world:serve()
      world:registered()
      local second = world:device()
      second:register()
      world:run(function() return second.state == "rejected" end)
      assert.equal("5.03", second.last_code)
    end)

    it("loads scripts anew at SIGHUP, and says what is wrong with them", function()
      world:write("moonwire.lua", "return { listen = \"127.0.0.1:0\", scripts = \"mine\", watch = false }\n")
      world:write("mine/protocols/t.lua", GOOD_SCRIPT)
      local server = world:serve {}
      local function wait_for(wanted)
        for line in server.pipe:lines() do
          if line:find(wanted, 1, true) then return line end
        end
        error("it ended without saying " .. wanted)
      end
      local function hang_up(object)
        world:write("mine/protocols/t.lua", (GOOD_SCRIPT:gsub("3303", object)))
        assert(os.execute("kill -s HUP " .. server.pid))
      end
      has(table.concat(server.lines, "\n"), "1 loaded") -- at the start, before it is ready
      hang_up("= 3303")
      has(wait_for("t.lua:2: "), "protocols/t.lua:2: ")
      hang_up("3304")
      wait_for("1 loaded")
      local _, status = world:stop(server, "TERM")
      assert.equal(0, status)
    end)

    it("takes a client made by others, over IPv4 and IPv6", function()
      if not os.execute("command -v coap-client-notls >/dev/null") then
        pending("coap-client-notls is missing: apt-get install libcoap3-bin")
      end
      local server = world:serve { "--listen", "127.0.0.1:0", "--scripts", world:path("no-scripts") }
      local url = "coap://127.0.0.1:%d/rd?ep=urn:dev:%d&lt=300&lwm2m=1.1&b=U"
      local status, out, err = world:shell(([[coap-client-notls -v 7 -B 10 -m post -t 40 -e %s %s]]):format(
        World.quote('</>;rt="oma.lwm2m";ct=112,</1/0>,</3/0>'), World.quote(url:format(world.port, 1))))
      assert.equal(0, status, err)
      has(out .. err, "2.01")
      has(out .. err, "Location-Path:rd")
      local _, listed = world:moonwire("devices", "urn:dev:1", "--json", "--store", world:path("store.db"))
      local row = decode(listed)
      assert.same({ true, 300, "1.1", "U" }, { row.registered, row.lifetime, row.version, row.binding })
      world:stop(server)
      if not pcall(world.serve, world, { "--listen", "[::1]:0", "--scripts", world:path("no-scripts") }) then return end
      status, out, err = world:shell(("coap-client-notls -v 7 -B 10 -m post -t 40 -e '</3/0>' %s"):format(
        World.quote(("coap://[::1]:%d/rd?ep=six&lwm2m=1.1"):format(world.port))))
      assert.equal(0, status)
      has(out .. err, "2.01")
    end)
  end)

  it("sim registers devices with a server, and takes its leave", function()
    world:serve()
    local status, out = world:moonwire("sim", "--server", world.server, "--devices", "2", "--endpoint", "made", "--seconds", "1")
    assert.equal(0, status)
    has(out, "made-1 registered")
    has(out, "made-2 registered")
    local _, listed = world:moonwire("devices", "--store", world:path("store.db"))
    assert.truthy(listed:match("made%-1%s+known"))
    status, _, out = world:moonwire("sim", "--devices", "0")
    assert.equal(1, status)
    has(out, "--devices must be")
  end)
end)
