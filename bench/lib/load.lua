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
---@field capacity number?  answers a second of the server's CPU time

local function start(setup, what, words)
  local self = setmetatable({ setup = setup, what = what }, Load)
  self.pid = Proc.start(what, setup.server_core, words, setup.folder)
  Proc.guard(self.pid, setup.folder)
  self.port = Proc.wait(self.pid, READY_S, function() return Proc.udp_port(self.pid) end)
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

--- Storms the server.
---@param phases string   e.g. "register,update"
---@param devices integer
---@param seconds integer  of each phase but register
---@return table<string, bench.Phase>  by name
function Load:storm(phases, devices, seconds)
  local setup, result, before = self.setup, {}, Proc.usage(self.pid)
  local errors = setup.folder .. "/storm.err"
  local _, n_phases = phases:gsub(",", "")
  local bound = 60 + (n_phases + 1) * (seconds + 10) + devices // REGISTERED_A_SECOND
  -- --foreground: in a process group of its own it would not hear Ctrl-C
  local line = Proc.line { "timeout", "--foreground", "-k", "5", bound, "taskset", "-c", setup.load_core,
    setup.build .. "/bench/storm", "run", "--phases", phases, "--server", "127.0.0.1:" .. self.port, "--devices", devices,
    "--seconds", seconds }
  local ok = Proc.sh(line .. " 2>" .. Proc.line { errors }, function(text)
    local phase = parse(text)
    if not phase then return end
    local now = Proc.usage(self.pid)
    phase.user, phase.system, phase.rss = now.user - before.user, now.system - before.system, now.rss
    local cpu = phase.user + phase.system
    phase.capacity = cpu > 0.1 and phase.ok / cpu or nil -- less than ten ticks say nothing
    result[phase.phase] = phase
    before = now
  end)
  if not ok then
    local why = Proc.read(errors) or ""
    local log = Proc.read(("%s/%s.err"):format(setup.folder, self.what)) or ""
    error(("the load on %s failed: %s\n%s"):format(self.what, why ~= "" and why or "it took too long", log:sub(-2000)), 0)
  end
  return result
end

function Load:stop() Proc.stop(self.pid) end

return Load
