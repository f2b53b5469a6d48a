--- `./dev bench`: measures the server against the limit of this machine, prints a table and writes docs/BENCHMARKS.md.
---
--- Exit status: 0 = measured, whatever the verdicts; 1 = could not be measured; 2 = wrong use; 130 = Ctrl-C.
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = ("%s/?.lua;%s/../lua/?.lua;%s"):format(here, here, package.path)

local Proc = require "lib.proc"

local USAGE = [[
usage: ./dev bench [--quick] [--json]
  --quick   10,000 devices instead of 1,000,000 and 2 s of load: to see that it works, not for its figures.
            Writes build/bench-quick.md instead of docs/BENCHMARKS.md
  --json    one JSON object on standard output instead of the table; progress goes to standard error anyway
Takes about 5 minutes, --quick about 30 s.
]]

local UNIT = "scripts/protocols/temperature.lua"

local function say(...) io.stderr:write(string.format(...), "\n") end

local function parse_arguments(words)
  local options = {}
  for _, word in ipairs(words) do
    local name = word:match("^%-%-(%l+)$")
    if word == "-h" or name == "help" then
      io.stdout:write(USAGE)
      os.exit(0)
    elseif name ~= "quick" and name ~= "json" then
      io.stderr:write(("bench: no option %s\n"):format(word), USAGE)
      os.exit(2)
    end
    options[name] = true
  end
  return options
end

---@return bench.Setup
local function set_up()
  local _, root = Proc.sh(Proc.line { "realpath", here .. "/.." })
  local build = os.getenv("MW_BUILD") or root .. "/build/release"
  for _, program in ipairs { "bin/moonwire", "bench/limit", "bench/storm", "lua/moonwire/core.so" } do
    if not Proc.read(("%s/%s"):format(build, program)) then
      error(("%s/%s is not there; `./dev bench` builds it"):format(build, program), 0)
    end
  end
  package.cpath = build .. "/lua/?.so;" .. package.cpath
  -- beside the build, not in /tmp: that may be memory, and durability is a part of what is measured
  local base = root .. "/build/bench-run"
  local ok, folder = Proc.sh(("mkdir -p %s && mktemp -d %s"):format(Proc.line { base }, Proc.line { base .. "/XXXXXX" }))
  if not ok then error("cannot make a folder in " .. base, 0) end
  -- only this unit of the shipped ones: battery.lua would observe every device, of which all list object 3
  local scripts = folder .. "/scripts"
  Proc.sh(Proc.line { "install", "-D", root .. "/" .. UNIT, scripts .. "/protocols/bench.lua" })
  local cores = Proc.cores()
  return { root = root, build = build, base = base, folder = folder, scripts = scripts, server_core = cores[1],
    load_core = cores[2] or cores[1] }
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  assert(file:close())
  say("written: %s", path)
end

local function run_steps(steps)
  local left = 0
  for _, step in ipairs(steps) do left = left + step.seconds end
  for i, step in ipairs(steps) do
    say("[%2d/%d] %-40s about %d:%02d to go", i, #steps, step.title, left // 60, math.floor(left % 60))
    say("        %s", step.run())
    left = left - step.seconds
  end
end

local function bench(setup, options)
  local Figures, Report, Steps = require "lib.figures", require "lib.report", require "lib.steps"
  local scale = options.quick and Steps.QUICK or Steps.FULL
  if options.quick then say("%s", Report.QUICK) end
  if setup.server_core == setup.load_core then say("only one core: server and load share it, the rates will be too low") end
  local machine = Report.machine(setup)
  local steps, results = Steps.new(setup, scale)
  run_steps(steps)
  machine[#machine + 1] = Report.quiet(Figures.foreign(results))
  local figures = Figures.of(results, scale, not options.quick)
  io.stdout:write(options.json and Report.json(figures, results, machine, options.quick or false)
    or "\n" .. Report.terminal(figures, machine, options.quick))
  write(setup.root .. (options.quick and "/build/bench-quick.md" or "/docs/BENCHMARKS.md"),
    Report.markdown(figures, results, machine, scale, options.quick))
end

local function describe(err)
  if type(err) ~= "string" or err == Proc.INTERRUPTED or err:find("interrupted!", 1, true) then return Proc.INTERRUPTED end
  return err:find("^[^:]+%.lua:%d+:") and debug.traceback(err, 2) or err
end

local options = parse_arguments(arg)
local setup
local ok, err = xpcall(function()
  setup = set_up()
  bench(setup, options)
end, describe)
Proc.stop_all()
if setup then
  local folder, base = Proc.line { setup.folder }, Proc.line { setup.base }
  pcall(Proc.sh, ("rm -rf %s; rmdir %s 2>/dev/null"):format(folder, base))
end
if not ok then
  say("bench: %s", err)
  os.exit(err == Proc.INTERRUPTED and 130 or 1)
end
