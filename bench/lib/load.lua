--- One server under load: bench/limit or `moonwire serve` on one core, bench/storm on another.
local Proc = require "lib.proc"

local Load = {}
Load.__index = Load

local READY_S = 30
local REGISTERED_A_SECOND = 500 -- less is taken for a hang

---@class bench.Setup
---@field root string     the source tree
---@field build string    its build, with bin/ and bench/
---@field folder string   ours, removed at the end, in `base`
---@field base string
---@field scripts string  units that the server runs
---@field server_core integer
---@field load_core integer

---@class bench.Phase  what storm says about a phase, and what it cost the server
---@field phase string
---@field rate number       answers a second
---@field ok integer        answers
---@field lost integer
---@field other integer     answers that were not the wanted ones
---@field seconds number
---@field user number       CPU seconds of the server
---@field system number
---@field rss integer       of the server, after the phase
---@field foreign number    share of the two cores that other programs had while storm ran, 0 to 1
---@field capacity number?  answers a second of the server's CPU time

local function start(setup, what, words)
  local self = setmetatable({ setup = setup, what = what }, Load)
  self.pid = Proc.start(what, setup.server_core, words, setup.folder)
  Proc.guard(self.pid, setup.folder)
  local ok, port = pcall(Proc.wait, self.pid, READY_S, function() return Proc.udp_port(self.pid) end)
  if not ok then error(("%s\n%s"):format(port, Proc.read(("%s/%s.err"):format(setup.folder, what)) or ""), 0) end
  self.port = port
  self.rss_at_start = Proc.usage(self.pid).rss
  return self
end

--- The echo server: the limit of the machine.
---@param setup bench.Setup
function Load.limit(setup)
  return start(setup, "limit", { setup.build .. "/bench/limit", "--port", "0", "--seconds", "86400" })
end

--- A host with the shipped definitions, the scripts of the set-up, and a store of its own.
---@param setup bench.Setup
---@param name string
function Load.server(setup, name)
  local self = start(setup, name, { setup.build .. "/bin/moonwire", "serve", "--listen", "127.0.0.1:0", "--store",
    name .. ".db", "--scripts", setup.scripts, "--ddf", setup.root .. "/ddf", "--log-level", "warn" })
  self.store = setup.folder .. "/" .. name .. ".db"
  return self
end

local function parse(line)
  local phase = {}
  for key, value in line:gmatch('"([%w_]+)":"?([^,"}]*)') do phase[key] = tonumber(value) or value end
  return phase.phase and phase or nil
end

local function busy(setup)
  return Proc.core_busy(setup.server_core) + (setup.load_core ~= setup.server_core and Proc.core_busy(setup.load_core) or 0)
end

--- What others had of our cores: all that they were busy, without the server and without storm.
local function foreign(setup, at_first, server, storm)
  local elapsed = (Proc.now() - at_first.time) * (setup.load_core ~= setup.server_core and 2 or 1)
  return math.max(0, busy(setup) - at_first.busy - server - storm) / elapsed
end

function Load:fail()
  local why = Proc.read(self.setup.folder .. "/storm.err") or ""
  local log = Proc.read(("%s/%s.err"):format(self.setup.folder, self.what)) or ""
  error(("the load on %s failed: %s\n%s"):format(self.what, why ~= "" and why or "it took too long", log:sub(-2000)), 0)
end

--- The shell line for one run of storm; it ends with what storm took of its core.
local function storm_line(self, phases, devices, seconds)
  local setup, commas = self.setup, select(2, phases:gsub(",", ""))
  local bound = 60 + (commas + 1) * (seconds + 10) + devices // REGISTERED_A_SECOND
  -- --foreground: in a process group of its own it would not hear Ctrl-C
  local words = { "timeout", "--foreground", "-k", "5", bound, "taskset", "-c", setup.load_core,
    setup.build .. "/bench/storm", "run", "--phases", phases, "--server", "127.0.0.1:" .. self.port, "--devices", devices,
    "--seconds", seconds }
  return ("%s 2>%s; status=$?; times; exit $status"):format(Proc.line(words), Proc.line { setup.folder .. "/storm.err" })
end

--- Storms the server.
---@param phases string   e.g. "register,update"
---@param devices integer
---@param seconds integer  of each phase but register
---@return table<string, bench.Phase>  by name
function Load:storm(phases, devices, seconds)
  local result, storm_cpu = {}, 0
  local first = Proc.usage(self.pid)
  local before, at_first = first, { time = Proc.now(), busy = busy(self.setup) }
  local ok = Proc.sh(storm_line(self, phases, devices, seconds), function(text)
    local phase = parse(text)
    local minutes, user, more, system = text:match("^(%d+)m([%d.]+)s (%d+)m([%d.]+)s$")
    if minutes then storm_cpu = (minutes + more) * 60 + user + system end -- the last such line is about storm
    if not phase then return end
    local now = Proc.usage(self.pid)
    phase.user, phase.system, phase.rss = now.user - before.user, now.system - before.system, now.rss
    local cpu = phase.user + phase.system
    phase.capacity = cpu > 0.1 and phase.ok / cpu or nil -- less than ten ticks say nothing
    result[phase.phase] = phase
    before = now
  end)
  if not ok then self:fail() end
  local share = foreign(self.setup, at_first, before.user + before.system - first.user - first.system, storm_cpu)
  for _, phase in pairs(result) do phase.foreign = share end
  return result
end

function Load:stop() Proc.stop(self.pid) end

return Load
