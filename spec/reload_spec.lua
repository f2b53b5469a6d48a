--- lua/moonwire/script/reload.lua: how units are exchanged. One case for each promise.
local Stub = require "spec.script_stub"

local function protocol(object, series)
  return ([[
return protocol {
  object = %d,
  resources = { [5700] = { measurement = { type = "t", series = "%s" } } },
}]]):format(object, series or "a.b")
end

local HOOKS = [[
return hooks { ["device.registered"] = function(dev) return dev end }]]

local reload, core, disk

local function apply(options)
  return reload:apply(Stub.files(disk), options or {})
end

local function live_names()
  local names = {}
  for name in pairs(reload.live) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, " ")
end

--- The one problem of a load.
local function problem(reports)
  local found
  for _, r in ipairs(reports) do
    if not r.ok then
      assert.is_nil(found, "more than one problem")
      found = r
    end
  end
  return assert(found, "no problem")
end

local function series(name)
  return reload.live[name].declaration.resources[5700].measurement.series
end

describe("reload", function()
  before_each(function()
    reload, core = Stub.reload()
    disk = { ["protocols/a.lua"] = protocol(1), ["protocols/b.lua"] = protocol(2) }
  end)

  it("loads all units at the start", function()
    disk["hooks/h.lua"] = HOOKS
    local ok, reports, summary = apply()
    assert.is_true(ok)
    assert.equal(3, #reports)
    assert.equal("3 loaded, 0 removed, 0 left out", summary)
    assert.equal("hooks/h.lua protocols/a.lua protocols/b.lua", live_names())
    assert.equal(2, #core.current.rules)
    assert.equal(1, #core.current.hooks["device.registered"])
  end)

  it("does nothing when nothing changed", function()
    apply()
    local before = reload.live
    local ok, reports, summary = apply()
    assert.is_true(ok)
    assert.same({}, reports)
    assert.equal("nothing changed", summary)
    assert.equal(before, reload.live)
    assert.equal(1, #core.commits)
  end)

  it("exchanges only what changed", function()
    apply()
    local a, b = reload.live["protocols/a.lua"], reload.live["protocols/b.lua"]
    disk["protocols/a.lua"] = protocol(1, "new.one")
    assert.is_true((apply()))
    assert.not_equal(a, reload.live["protocols/a.lua"])
    assert.equal(b, reload.live["protocols/b.lua"])
    assert.equal("new.one", series "protocols/a.lua")
    assert.same({ { slot = a.slot, hash = disk["protocols/a.lua"] } }, core.commits[2].loaded)
  end)

  -- what is wrong, text, line, words of the reason
  local failures = {
    { "syntax", "return protocol {\n  object = \n}", 3, "unexpected symbol" },
    { "runtime error", "local x = nil\nlocal y = x.z\nreturn y", 2, "attempt to index" },
    { "declaration", "\nreturn protocol { objct = 1 }", 2, 'did you mean object?' },
    { "no declaration", "local a = 1", nil, "the file declares nothing" },
    { "declaration not returned", protocol(1):gsub("^return", "local _ ="), nil, "must return its declaration" },
    { "two declarations", protocol(1):gsub("^return", "local _ =") .. "\n" .. protocol(1), 5, "the first is at" },
    { "bytecode", string.dump(function() end), nil, "attempt to load a binary chunk" },
    { "error value", "error({})", nil, "table" },
    { "selftest", protocol(1):gsub("%}$", "selftest = function(t)\n t.equal(1, 2)\n end }"), 5, "t.equal wanted 1, got 2" },
    { "unknown name", "\n\nreturn protocl { }", 3, 'did you mean protocol?' },
    { "unreadable", false, nil, "Permission denied" },
  }
  for _, case in ipairs(failures) do
    it("failure keeps the old unit: " .. case[1], function()
      apply()
      local before = reload.live
      disk["protocols/a.lua"] = case[2]
      local ok, reports = apply()
      assert.is_false(ok)
      assert.equal(before, reload.live)
      assert.equal(1, #core.commits)
      local p = problem(reports)
      assert.equal("protocols/a.lua", p.file)
      assert.equal(case[3], p.line)
      assert.truthy(p.reason:find(case[4], 1, true), p.reason)
    end)
  end

  it("a failure is logged once, with file, line and traceback", function()
    apply()
    disk["protocols/a.lua"] = "error 'boom'"
    apply()
    assert.equal(1, #core.failures)
    assert.equal("protocols/a.lua:1: boom [traceback: stub]", core.failures[1].text)
    assert.is_true((apply())) -- nothing changed since
    assert.is_true((apply()))
    assert.equal(1, #core.failures)
    disk["protocols/a.lua"] = "error 'other'"
    assert.is_false((apply()))
    assert.equal(2, #core.failures)
  end)

  it("a mended file is taken", function()
    apply()
    disk["protocols/a.lua"] = "error 'boom'"
    apply()
    disk["protocols/a.lua"] = protocol(1, "mended.x")
    assert.is_true((apply()))
    assert.equal("mended.x", series "protocols/a.lua")
    assert.same({}, reload.held)
  end)

  it("a file put back to the text in use is no failure any more", function()
    apply()
    local before = disk["protocols/a.lua"]
    disk["protocols/a.lua"] = "error 'boom'"
    apply()
    disk["protocols/a.lua"] = before
    assert.is_true((apply()))
    assert.same({}, reload.held)
  end)

  it("the first load refuses to start when a unit fails", function()
    disk["protocols/a.lua"] = "error 'boom'"
    local ok, reports = apply()
    assert.is_false(ok)
    assert.equal("", live_names())
    assert.equal(0, #core.commits)
    assert.equal("boom", problem(reports).reason)
  end)

  it("a lenient first load leaves out what fails", function()
    disk["protocols/a.lua"] = "error 'boom'"
    local ok = apply { lenient = true }
    assert.is_false(ok)
    assert.equal("protocols/b.lua", live_names())
    assert.equal(1, #core.failures)
    assert.is_true((apply { lenient = true })) -- and does not try again
    assert.equal(1, #core.failures)
  end)

  it("lenient is for the first load only", function()
    apply { lenient = true }
    disk["protocols/a.lua"] = "error 'boom'"
    disk["protocols/b.lua"] = protocol(2, "new.x")
    apply { lenient = true }
    assert.equal("a.b", series "protocols/b.lua")
  end)

  it("a removed file retires its unit", function()
    apply()
    local slot = reload.live["protocols/a.lua"].slot
    disk["protocols/a.lua"] = nil
    assert.is_true((apply()))
    assert.equal("protocols/b.lua", live_names())
    assert.same({ { slot = slot } }, core.commits[2].retired)
    assert.equal(1, #core.current.rules)
  end)

  it("a batch is all or nothing", function()
    apply()
    disk["protocols/a.lua"] = protocol(1, "new.x")
    disk["protocols/b.lua"] = "error 'boom'"
    assert.is_false((apply()))
    assert.equal("a.b", series "protocols/a.lua")
    disk["protocols/b.lua"] = protocol(2, "new.y")
    assert.is_true((apply()))
    assert.equal("new.x", series "protocols/a.lua")
    assert.equal("new.y", series "protocols/b.lua")
  end)

  it("a set that failed does not hold up other files", function()
    apply()
    disk["protocols/a.lua"] = protocol(1, "new.x")
    disk["protocols/b.lua"] = "error 'boom'"
    apply()
    disk["protocols/c.lua"] = protocol(3)
    assert.is_true((apply()))
    assert.equal("protocols/a.lua protocols/b.lua protocols/c.lua", live_names())
    assert.equal("a.b", series "protocols/a.lua") -- it came together with the broken one
  end)

  it("two units that declare the same resource clash, and both files are named", function()
    disk["protocols/b.lua"] = protocol(1)
    local ok, reports = apply()
    assert.is_false(ok)
    local p = problem(reports)
    assert.equal("protocols/b.lua", p.file)
    assert.equal(1, p.line)
    local words = "resource /1/*/5700 is declared by protocols/a.lua already (protocols/a.lua:1)"
    assert.truthy(p.reason:find(words, 1, true), p.reason)
  end)

  it("a clash with a unit in use is the new file's problem", function()
    apply()
    disk["protocols/a.lua"] = protocol(2)
    local _, reports = apply()
    local p = problem(reports)
    assert.equal("protocols/a.lua", p.file)
    assert.truthy(p.reason:find("protocols/b.lua", 1, true))
  end)

  it("a resource may move from one file to another in one batch", function()
    apply()
    disk["protocols/a.lua"], disk["protocols/b.lua"] = protocol(2), protocol(1)
    assert.is_true((apply()))
    disk["protocols/c.lua"], disk["protocols/a.lua"] = protocol(2), nil
    assert.is_true((apply()))
    assert.equal("protocols/b.lua protocols/c.lua", live_names())
  end)

  it("check_only stops before the commit", function()
    apply()
    local before = reload.live
    disk["protocols/a.lua"] = protocol(1, "new.x")
    local ok, reports = apply { check_only = true }
    assert.is_true(ok)
    assert.same({ { file = "protocols/a.lua", reason = "", ok = true } }, reports)
    assert.equal(before, reload.live)
    disk["protocols/b.lua"] = "error 'boom'"
    ok = apply { check_only = true }
    assert.is_false(ok)
    assert.equal(0, #core.failures) -- asked for, so answered, not logged
    assert.equal("new.x", (function()
      disk["protocols/b.lua"] = protocol(2)
      assert.is_true((apply()))
      return series "protocols/a.lua"
    end)())
  end)

  it("one unit can be loaded again by name", function()
    apply()
    local a, b = reload.live["protocols/a.lua"], reload.live["protocols/b.lua"]
    disk["protocols/b.lua"] = "error 'boom'" -- not asked for
    assert.is_true((apply { only = "protocols/a.lua" }))
    assert.not_equal(a, reload.live["protocols/a.lua"])
    assert.equal(b, reload.live["protocols/b.lua"])
    local ok, reports = apply { only = "protocols/z.lua" }
    assert.is_false(ok)
    assert.equal("no such unit", problem(reports).reason)
  end)

  it("an editor's byte order mark does no harm", function()
    disk["protocols/a.lua"] = "\xEF\xBB\xBF" .. protocol(1)
    assert.is_true((apply()))
  end)

  it("declarations are made only while the file loads", function()
    disk = { ["hooks/h.lua"] = [[
return hooks { ["device.registered"] = function() hooks { } end, ["device.updated"] = function() script.require "lib/x" end }]] }
    apply()
    local functions = reload.live["hooks/h.lua"].declaration.functions
    assert.error_matches(functions["device.registered"], "works only while the file loads")
    assert.error_matches(functions["device.updated"], "works only while the file loads")
  end)

  it("a unit is sealed: hooks cannot make globals", function()
    disk = { ["hooks/h.lua"] = [[return hooks { ["device.registered"] = function() counter = 1 end }]] }
    apply()
    assert.error_matches(reload.live["hooks/h.lua"].declaration.functions["device.registered"], 'global "counter"')
  end)
end)

describe("script.state", function()
  local UNIT = [[
script.state.n = (script.state.n or 0) + 1
script.state.list = script.state.list or { "x" }
return hooks { ["device.registered"] = function() script.state.n = script.state.n + 10; return script.state.n end }]]

  before_each(function()
    reload, core = Stub.reload()
    disk = { ["hooks/h.lua"] = UNIT }
    apply()
  end)

  local function hook()
    return reload.live["hooks/h.lua"].declaration.functions["device.registered"]
  end

  it("survives a reload", function()
    assert.equal(11, hook()())
    disk["hooks/h.lua"] = UNIT .. " "
    assert.is_true((apply()))
    assert.equal(22, hook()())
  end)

  it("is a deep copy: a draft that fails has not touched the unit in use", function()
    local state = reload.live["hooks/h.lua"].state
    disk["hooks/h.lua"] = "script.state.n = 99\nscript.state.list[1] = 'changed'\nerror 'boom'"
    assert.is_false((apply()))
    assert.equal(1, state.n)
    assert.equal("x", state.list[1])
  end)

  it("is lost with the unit", function()
    disk["hooks/h.lua"] = nil
    apply()
    disk["hooks/h.lua"] = UNIT
    apply()
    assert.equal(1, reload.live["hooks/h.lua"].state.n)
  end)

  it("keeps shared and circular tables", function()
    local state = reload.live["hooks/h.lua"].state
    state.self, state.again = state, state.list
    disk["hooks/h.lua"] = UNIT .. " "
    apply()
    local new = reload.live["hooks/h.lua"].state
    assert.not_equal(state, new)
    assert.equal(new, new.self)
    assert.equal(new.list, new.again)
  end)

  it("leaves behind what is no plain data, and says so", function()
    reload.live["hooks/h.lua"].state.f = print
    disk["hooks/h.lua"] = UNIT .. " "
    assert.is_true((apply()))
    assert.is_nil(reload.live["hooks/h.lua"].state.f)
    assert.truthy(core.logged[1].text:find("state.f is left behind", 1, true))
  end)

  it("does not follow tables without end", function()
    local t = {}
    reload.live["hooks/h.lua"].state.deep = t
    for _ = 1, 300 do
      t.t = {}
      t = t.t
    end
    disk["hooks/h.lua"] = UNIT .. " "
    assert.is_true((apply()))
    assert.truthy(core.logged[1].text:find("too deep", 1, true))
  end)

  it("script.migrate changes it inside the draft phase", function()
    local migrate = "script.migrate(function(old) return { total = old.n * 100 } end)\n"
    local rest = "return hooks { ['device.registered'] = function() return script.state end }"
    disk["hooks/h.lua"] = migrate .. rest
    assert.is_true((apply()))
    assert.same({ total = 100 }, hook()())
    disk["hooks/h.lua"] = "script.migrate(function() error 'no way' end)\n" .. rest
    local _, reports = apply()
    assert.truthy(problem(reports).reason:find("no way", 1, true))
    assert.same({ total = 100 }, hook()())
    disk["hooks/h.lua"] = "\nscript.migrate(function() return 5 end)\n" .. rest
    _, reports = apply()
    assert.equal(2, problem(reports).line)
    assert.truthy(problem(reports).reason:find("must return the new state", 1, true))
  end)

  it("script.migrate is not called for a new unit", function()
    disk["hooks/new.lua"] = "script.migrate(function() error 'called' end)\nreturn hooks { ['device.updated'] = print }"
    assert.is_true((apply()))
  end)
end)

describe("script.require", function()
  before_each(function()
    reload, core = Stub.reload()
    disk = {
      ["lib/convert.lua"] = "return { scale = 2 }",
      ["hooks/a.lua"] = [[
local convert = script.require "lib/convert"
return hooks { ["device.registered"] = function() return convert.scale end }]],
      ["hooks/b.lua"] = [[return hooks { ["device.registered"] = print }]],
    }
  end)

  local function scale()
    return reload.live["hooks/a.lua"].declaration.functions["device.registered"]()
  end

  it("gives the value of a file under lib/", function()
    assert.is_true((apply()))
    assert.equal(2, scale())
  end)

  it("a changed library loads all that depend on it, and nothing else", function()
    apply()
    local b = reload.live["hooks/b.lua"]
    disk["lib/convert.lua"] = "return { scale = 3 }"
    assert.is_true((apply()))
    assert.equal(3, scale())
    assert.equal(b, reload.live["hooks/b.lua"])
  end)

  it("follows libraries of libraries", function()
    disk["lib/convert.lua"] = "return script.require 'lib/deep.lua'"
    disk["lib/deep.lua"] = "return { scale = 7 }"
    assert.is_true((apply()))
    assert.equal(7, scale())
    disk["lib/deep.lua"] = "return { scale = 8 }"
    assert.is_true((apply()))
    assert.equal(8, scale())
  end)

  it("a broken library keeps all dependants; both are reported, the cause with its own line", function()
    apply()
    disk["lib/convert.lua"] = "\nerror 'boom'"
    local ok, reports = apply()
    assert.is_false(ok)
    assert.equal(2, scale())
    local by_file = {}
    for _, r in ipairs(reports) do
      by_file[r.file] = r
    end
    assert.equal(2, by_file["lib/convert.lua"].line)
    assert.equal("boom", by_file["lib/convert.lua"].reason)
    assert.equal(1, by_file["hooks/a.lua"].line)
    assert.truthy(by_file["hooks/a.lua"].reason:find("lib/convert.lua has a problem of its own", 1, true))
  end)

  it("a dependant that fails with the new library keeps the old library", function()
    apply()
    disk["hooks/a.lua"] = disk["hooks/a.lua"] .. "\n -- v2"
    apply()
    disk["lib/convert.lua"] = "return nil"
    disk["hooks/a.lua"] = "local c = script.require 'lib/convert'\nreturn hooks { ['device.registered'] = c.fn }"
    assert.is_false((apply()))
    assert.equal(2, scale())
    assert.equal("return { scale = 2 }", reload.live["lib/convert.lua"].hash)
  end)

  it("a library that is still needed cannot be removed", function()
    apply()
    disk["lib/convert.lua"] = nil
    local ok, reports = apply()
    assert.is_false(ok)
    assert.truthy(problem(reports).reason:find("there is no file lib/convert.lua", 1, true))
    assert.equal(2, scale())
  end)

  it("a circle is an error", function()
    disk["lib/convert.lua"] = "return script.require 'lib/other'"
    disk["lib/other.lua"] = "return script.require 'lib/convert'"
    local ok, reports = apply()
    assert.is_false(ok)
    assert.truthy(#reports >= 2)
  end)

  it("refuses what is not under lib/, and what is not there", function()
    disk = { ["hooks/a.lua"] = "script.require 'hooks/b'" }
    local _, reports = apply()
    assert.truthy(problem(reports).reason:find("script.require loads from lib/", 1, true))
    disk = { ["hooks/a.lua"] = "script.require 'lib/nothing'" }
    _, reports = apply()
    assert.truthy(problem(reports).reason:find("there is no file lib/nothing.lua", 1, true))
  end)

  it("a library declares nothing", function()
    disk = { ["lib/x.lua"] = protocol(1) }
    local _, reports = apply()
    assert.truthy(problem(reports).reason:find("a file under lib/ declares nothing", 1, true))
  end)
end)

describe("the shipped units", function()
  it("load, pass their selftests and do not clash", function()
    reload, core = Stub.reload()
    disk = {}
    local pipe = assert(io.popen "cd scripts && find . -name '*.lua'")
    for line in pipe:lines() do
      local file = assert(io.open("scripts/" .. line))
      disk[line:sub(3)] = file:read "a"
      file:close()
    end
    pipe:close()
    local ok, reports = apply()
    for _, r in ipairs(reports) do
      assert.is_true(r.ok, r.file .. ": " .. r.reason)
    end
    assert.is_true(ok)
    assert.is_true(#core.current.rules >= 5)
  end)

  describe("is not led astray by metatables of units:", function()
    local OK = 'return hooks { ["device.registered"] = function() end }'

    it("a key of script.state that cannot be shown", function()
      disk = { ["hooks/a.lua"] = [[
script.state[setmetatable({}, { __tostring = function() error "shown" end })] = { print }
script.state.kept = 1
]] .. OK }
      assert.is_true((apply()))
      disk["hooks/a.lua"], disk["hooks/b.lua"] = OK .. " -- corrected", OK
      local ok, _, summary = apply()
      assert.is_true(ok, summary)
      assert.equal(1, reload.live["hooks/a.lua"].state.kept)
    end)

    it("a state that traps every access", function()
      disk = { ["hooks/a.lua"] = [[
script.state.kept = 1
local function trap() error "trapped" end
setmetatable(script.state, { __index = trap, __newindex = trap, __pairs = trap, __len = trap, __eq = trap })
]] .. OK }
      assert.is_true((apply()))
      disk["hooks/a.lua"] = "script.migrate(function(s) return { kept = s.kept + 1 } end)\n" .. OK
      local ok, reports = apply()
      assert.is_true(ok, reports[1] and reports[1].reason)
      assert.equal(2, reload.live["hooks/a.lua"].state.kept)
    end)

    it("a state that is too large: the unit starts with an empty one", function()
      disk = { ["hooks/a.lua"] = "for i = 1, 500001 do script.state[i] = true end\n" .. OK }
      assert.is_true((apply()))
      disk["hooks/a.lua"] = OK
      assert.is_true((apply()))
      assert.same({}, reload.live["hooks/a.lua"].state)
      local last = core.logged[#core.logged]
      assert.equal("warn", last.level)
      assert.truthy(last.text:find("script.state cannot be copied, it starts empty: it has more than 500000", 1, true))
    end)

    it("what a file returns", function()
      disk = { ["hooks/a.lua"] = 'hooks { ["device.registered"] = function() end }\n'
        .. "return setmetatable({}, { __eq = function() return true end })" }
      local ok, reports = apply()
      assert.is_false(ok)
      assert.truthy(problem(reports).reason:find("must return its declaration", 1, true))
    end)

    for _, text in ipairs {
      'return hooks(setmetatable({ ["device.registered"] = print }, { __index = function() error "trap" end }))',
      "return protocol(setmetatable({}, { __index = function() return 3 end, __metatable = false }))",
      "return protocol { object = 3, resources = setmetatable({}, { __pairs = error }) }",
      'return protocol { object = 3, resources = { [1] = setmetatable({}, { __index = { event = { type = "t" } } }) } }',
    } do
      it(text, function()
        disk = { ["hooks/a.lua"] = text }
        local ok, reports = apply()
        assert.is_false(ok)
        assert.truthy(problem(reports).reason:find("has a metatable; write a plain table", 1, true))
      end)
    end

    it("a declaration without end", function()
      disk = { ["hooks/a.lua"] = "local t = {} t.object = t return protocol(t)" }
      local ok, reports = apply()
      assert.is_false(ok)
      assert.truthy(problem(reports).reason:find("nested too deep", 1, true))
    end)
  end)

  it("gives each unit a library of its own", function()
    disk = {
      ["lib/deep.lua"] = "return { factor = 2 }",
      ["lib/shared.lua"] = "local deep = script.require 'lib/deep' return { deep = deep, n = 1 }",
      ["hooks/a.lua"] = [[
local shared, deep = script.require "lib/shared", script.require "lib/deep"
shared.n, deep.factor = 100, 200
script.selftest(function(t)
  t.equal(200, script.require and shared.deep.factor) -- within one unit it is one
end)
return hooks { ["device.registered"] = function() end }]],
      ["hooks/b.lua"] = [[
local shared = script.require "lib/shared"
script.selftest(function(t) t.equal(1, shared.n) t.equal(2, shared.deep.factor) end)
return hooks { ["device.registered"] = function() end }]],
    }
    local ok, reports = apply()
    assert.is_true(ok, reports[1] and reports[1].reason)
    disk["hooks/b.lua"] = disk["hooks/b.lua"] .. "\n"
    ok, reports = apply()
    assert.is_true(ok, reports[1] and reports[1].reason)
  end)

  it("keeps script.state of a library for each unit that has it", function()
    disk = {
      ["lib/count.lua"] = "script.state.n = (script.state.n or 0) + 1 return script.state",
      ["hooks/a.lua"] = 'script.require "lib/count" ' .. HOOKS,
      ["hooks/b.lua"] = 'script.require "lib/count" ' .. HOOKS,
    }
    assert.is_true((apply()))
    disk["hooks/a.lua"] = disk["hooks/a.lua"] .. "\n"
    assert.is_true((apply()))
    assert.equal(2, reload.live["hooks/a.lua"].libraries["lib/count.lua"].state.n)
    assert.equal(1, reload.live["hooks/b.lua"].libraries["lib/count.lua"].state.n)
  end)
end)
