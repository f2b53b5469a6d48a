--- Runs every test program and counts single test cases; `./dev test` calls it after the build.
--- usage: lua5.4 tools/run_tests.lua --build DIR [--preload LIB] [--filter TEXT], in the root of the tree.
--- A C program says what it did in cmocka's plain output; a spec through tools/busted_results.lua.
local PROGRAM_LIMIT = 300 -- seconds; nothing that hangs may hang CI
local TOTAL_LIMIT = 1500  -- seconds; programs that do not get their turn count as failed

local color = os.getenv("MW_COLOR") == "1"
local function paint(code, text)
  return color and ("\27[%sm%s\27[0m"):format(code, text) or text
end

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Seconds since boot, in hundredths; os.time() has whole seconds only.
local function now()
  local file = assert(io.open("/proc/uptime"))
  local seconds = file:read("n")
  file:close()
  return seconds
end

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read("a")
  file:close()
  return text
end

--- Paths that match a shell pattern, sorted; empty if none does.
local function glob(pattern)
  local pipe = assert(io.popen("ls -d " .. pattern .. " 2>/dev/null"))
  local found = {}
  for line in pipe:lines() do found[#found + 1] = line end
  pipe:close()
  return found
end

local function parse_args(args)
  local opts = { build = "build/dev", preload = "", filter = "" }
  for i = 1, #args, 2 do
    local name = args[i]:match("^%-%-(%l+)$")
    if not name or not opts[name] or not args[i + 1] then error("bad argument " .. args[i], 0) end
    opts[name] = args[i + 1]
  end
  return opts
end

--- Runs a shell command under a time limit; its output goes to the file `log`. The program and all that it started
--- are one process group (timeout makes it), so that Ctrl-C and the end of the program leave nothing behind. A shell
--- lets its background processes ignore Ctrl-C; env takes that back, as specs may send that signal.
---@return integer status  exit status; 124 = time limit, 128 + n = signal n
local function run(command, limit, log)
  local ok, how, status = os.execute(([[
    exec 2>/dev/null # the shell's own words on signals
    stop() { kill -TERM $p 2>/dev/null; wait $p; kill -s KILL -- -$p 2>/dev/null; exit 130; }
    timeout --kill-after=10 %d env --default-signal=INT,QUIT %s >%s 2>&1 </dev/null & p=$!
    trap stop INT TERM HUP
    wait $p; rc=$?
    kill -s KILL -- -$p 2>/dev/null
    exit $rc]]):format(limit, command, quote(log)))
  if ok then return 0 end
  return how == "signal" and 128 + status or status
end

local SIGNALS = {
  [4] = "illegal instruction", [6] = "abort", [8] = "arithmetic error", [11] = "segmentation fault",
  [13] = "broken pipe", [15] = "terminated",
}

--- What an exit status means, in words.
local function ending(status, limit)
  if status == 124 then return ("did not end within %d s"):format(limit) end
  if status == 137 then return ("was killed: time limit of %d s, or no memory"):format(limit) end
  if status > 128 then
    return ("crashed: %s (signal %d)"):format(SIGNALS[status - 128] or "signal", status - 128)
  end
  return "ended with status " .. status
end

--- Counts of one program. `running` is the case that had begun when the output stopped.
local function new_tally()
  return { passed = 0, failed = 0, skipped = 0, promised = 0, running = nil, skips = {}, notes = {} }
end

--- cmocka's plain output. Marks may follow text of a test on the same line, so they are looked for anywhere. The
--- summary of a group repeats the names of skipped and failed cases.
local function tally_cmocka(output)
  local t, said, summary = new_tally(), {}, false
  for line in output:gmatch("[^\n]+") do
    local mark, name = line:match("%[%s*(%u+)%s*%] ([%w_][^\n]*)$")
    if line:find("[==========] Running ", 1, true) then
      t.promised, summary = t.promised + tonumber(line:match("Running (%d+) test")), false
    elseif line:find("test(s) run.", 1, true) then
      summary = true
    elseif not summary and mark == "RUN" then
      if t.running then t.failed = t.failed + 1 end -- it never said how it ended
      t.running, said = name, {}
    elseif not summary and name and name == t.running and (mark == "OK" or mark == "FAILED" or mark == "SKIPPED") then
      t.running = nil
      if mark == "OK" then t.passed = t.passed + 1 end
      if mark == "FAILED" then t.failed = t.failed + 1 end
      if mark == "SKIPPED" then
        t.skipped = t.skipped + 1
        t.skips[#t.skips + 1] = { name, table.concat(said, " ") }
      end
    else
      said[#said + 1] = line
    end
  end
  return t
end

--- The file that tools/busted_results.lua wrote.
local function tally_busted(results)
  local t, ended = new_tally(), false
  for kind, name, reason in results:gmatch("(%l+)\t([^\t\n]*)\t([^\n]*)\n") do
    if kind == "run" then t.running = name
    elseif kind == "end" then ended = true
    else
      t.running = nil
      if kind == "ok" then t.passed = t.passed + 1 end
      if kind == "failed" then t.failed = t.failed + 1 end
      if kind == "skipped" then
        t.skipped = t.skipped + 1
        t.skips[#t.skips + 1] = { name, reason }
      end
    end
  end
  if not ended and not t.running then
    t.failed = t.failed + 1
    t.notes[1] = "stopped before its end"
  end
  return t
end

--- Adds what the counts alone do not tell: crashes, leaks found at exit, cases that never ran.
local function judge(t, status, limit)
  if t.running then
    t.failed = t.failed + 1
    t.notes[#t.notes + 1] = ("stopped in %q"):format(t.running)
  end
  local ran = t.passed + t.failed + t.skipped
  if t.promised > ran then t.notes[#t.notes + 1] = ("%d cases not run"):format(t.promised - ran) end
  if status ~= 0 then
    -- cmocka exits with the number of failures, busted with 1; any other status is worth a word.
    if (status ~= t.failed and status ~= 1) or t.failed == 0 or t.running then t.notes[#t.notes + 1] = ending(status, limit) end
    t.failed = math.max(t.failed, 1)
  elseif t.promised > ran then
    t.failed = math.max(t.failed, 1)
  elseif ran == 0 then
    t.failed = 1
    t.notes[#t.notes + 1] = "has no test case"
  end
  return t
end

--- The one line that says what a sanitizer found, if one stopped the program.
local function sanitizer_report(output)
  return output:match("SUMMARY: (%a+Sanitizer: [^\n]*)") or output:match("([^\n]*runtime error: [^\n]*)")
end

local function print_program(name, t, seconds, output)
  local bad = t.failed > 0
  local counts = { ("%d passed"):format(t.passed) }
  if bad then counts[#counts + 1] = ("%d failed"):format(t.failed) end
  if t.skipped > 0 then counts[#counts + 1] = ("%d skipped"):format(t.skipped) end
  print(("%s %-36s %6.2f s  %s"):format(bad and paint(31, "FAIL") or paint(32, "ok  "), name, seconds,
    table.concat(counts, ", ")))
  for _, skip in ipairs(t.skips) do
    print(("     skipped %s: %s"):format(skip[1], skip[2] ~= "" and skip[2] or "no reason given"))
  end
  if not bad then return end
  for _, note in ipairs(t.notes) do print("     " .. name .. " " .. note) end
  print(("---- output of %s"):format(name))
  io.write(output, (output == "" or output:sub(-1) == "\n") and "" or "\n")
  print(("---- end of %s"):format(name))
end

local function programs(opts)
  local list = {}
  for _, source in ipairs(glob("test/test_*.c")) do
    local name = source:match("([^/]+)%.c$")
    list[#list + 1] = { name = name, kind = "cmocka", path = opts.build .. "/test/" .. name }
  end
  for _, spec in ipairs(glob("spec/*_spec.lua spec/*/*_spec.lua")) do
    list[#list + 1] = { name = spec:match("^spec/(.*)%.lua$"), kind = "busted", path = spec }
  end
  return list
end

local function run_program(p, opts, dir, limit)
  local log, results = dir .. "/output", dir .. "/results"
  os.remove(log)
  os.remove(results)
  local t, status
  if p.kind == "cmocka" then
    if #glob(quote(p.path)) == 0 then
      t = new_tally()
      t.failed, t.notes[1] = 1, "was not built"
      return t, ""
    end
    status = run(quote(p.path), limit, log)
    t = tally_cmocka(read_file(log))
  else
    local env = "env MW_RESULTS=" .. quote(results)
    if opts.preload ~= "" then env = env .. " LD_PRELOAD=" .. quote(opts.preload) end
    status = run(env .. " lua5.4 /usr/bin/busted -o tools/busted_results.lua " .. quote(p.path), limit, log)
    t = tally_busted(read_file(results))
  end
  if status == 130 then return nil end
  local output = read_file(log)
  local report = sanitizer_report(output)
  if report and status ~= 0 then
    t.notes[#t.notes + 1] = "was ended by a sanitizer: " .. report
    -- Failing cases explain status 1 too; the report is a failure of its own unless it cut a case short.
    if not t.running and t.failed > 0 then t.failed = t.failed + 1 end
  end
  return judge(t, status, limit), output
end

local opts = parse_args(arg)
local dir = os.tmpname()
os.remove(dir)
assert(os.execute("mkdir -m 700 " .. quote(dir)))
io.stdout:setvbuf("line")

local passed, failed, skipped, begun = 0, 0, 0, now()
local bad_programs = {}
for _, p in ipairs(programs(opts)) do
  if p.name:find(opts.filter, 1, true) then
    local start = now()
    local left = math.floor(TOTAL_LIMIT - (start - begun))
    local t, output
    if left < 1 then
      t, output = new_tally(), ""
      t.failed, t.notes[1] = 1, ("did not get its turn within %d s"):format(TOTAL_LIMIT)
    else
      t, output = run_program(p, opts, dir, math.min(PROGRAM_LIMIT, left))
    end
    if not t then
      print("interrupted in " .. p.name)
      failed = failed + 1
      break
    end
    print_program(p.name, t, now() - start, output)
    if t.failed > 0 then bad_programs[#bad_programs + 1] = p.name end
    passed, failed, skipped = passed + t.passed, failed + t.failed, skipped + t.skipped
  end
end
os.execute("rm -rf " .. quote(dir))

print(("Tests took %.1f s"):format(now() - begun))
if #bad_programs > 0 then print("Failed in: " .. table.concat(bad_programs, ", ")) end
if passed + failed + skipped == 0 then
  print(opts.filter == "" and "There is no test" or ("No test program's name contains %q"):format(opts.filter))
end
print(("%d passed, %d failed%s"):format(passed, failed, skipped > 0 and (", %d skipped"):format(skipped) or ""))
os.exit(failed == 0 and passed > 0)
