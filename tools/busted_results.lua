--- Output handler for busted: `busted -o tools/busted_results.lua spec/x_spec.lua`.
--- Failures in words on standard output; one line per test case, as it ends, in the file named by MW_RESULTS:
--- "ok", "failed" or "skipped", a tab, the name, a tab, the reason; and "end" when busted came to its end. A file
--- rather than standard output, because specs may print, and because it still counts when the process crashes.
local results = assert(io.open(assert(os.getenv("MW_RESULTS"), "MW_RESULTS names no file"), "w"))
results:setvbuf("line")

local function one_line(text)
  return (tostring(text or ""):gsub("%s+", " "))
end

local function record(kind, name, reason)
  results:write(kind, "\t", one_line(name), "\t", one_line(reason), "\n")
end

local function as_text(message)
  if type(message) == "string" then return message end
  if message == nil then return "failed without a message" end
  return require("pl.pretty").write(message)
end

local KIND = { success = "ok", pending = "skipped", failure = "failed", error = "failed" }

return function()
  local busted = require("busted")
  local handler = require("busted.outputHandlers.base")()

  local function show_failure(t)
    local where = t.element.trace or {}
    print(("FAILED %s (%s:%s)"):format(t.name, where.short_src or "?", where.currentline or "?"))
    print((as_text(t.message):gsub("\n", "\n  "):gsub("^", "  ")))
    if t.isError and t.trace and t.trace.traceback then print((t.trace.traceback:gsub("\n", "\n  "))) end
    io.flush()
  end

  busted.subscribe({ "test", "start" }, function(element)
    results:write("run\t", one_line(handler.getFullName(element)), "\t\n")
    return nil, true
  end)

  busted.subscribe({ "test", "end" }, function(element, _, status)
    local reason = ""
    if status == "pending" then
      reason = handler.pendings[#handler.pendings].message
    elseif status == "failure" then
      show_failure(handler.failures[#handler.failures])
    elseif status == "error" then
      show_failure(handler.errors[#handler.errors])
    end
    record(KIND[status] or "failed", handler.getFullName(element), reason)
    return nil, true
  end)

  -- What goes wrong outside of a test case: a spec that does not load, a before_each, a teardown.
  local function outside(element)
    if element.descriptor ~= "it" then
      local t = handler.errors[#handler.errors]
      show_failure(t)
      record("failed", t.name)
    end
    return nil, true
  end
  busted.subscribe({ "error" }, outside)
  busted.subscribe({ "failure" }, outside)

  busted.subscribe({ "suite", "end" }, function()
    results:write("end\t\t\n")
    return nil, true
  end)
  return handler
end
