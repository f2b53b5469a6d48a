--- What is measured, as a list of steps: each knows what it will be called, how long it takes, and what to do.
---
--- The machine is never quiet, so the servers of all sizes stay up and rounds go through all of them: what disturbs one
--- figure disturbs its neighbours too, and the report takes medians over the rounds.
local Load = require "lib.load"

local Steps = {}

local REGISTRATIONS_A_SECOND, NOTIFIED = 40000, 1000 -- the first only for "how long yet"
local PAGE = 10000

---@class bench.Scale
---@field few integer      devices
---@field many integer
---@field most integer
---@field seconds integer  of load for each figure, a round
---@field rounds integer

---@class bench.Results
---@field limit { before: bench.Phase, after: bench.Phase }[]        a round each
---@field updates table<integer, { register: bench.Phase, update: bench.Phase }[]>  by devices
---@field rss_at_start table<integer, integer>                       bytes, by devices
---@field notify bench.Phase[]
---@field rows integer     measurements found in the store
---@field acks integer     notifications that were acknowledged

Steps.QUIET = 0.03 -- share of the cores that other programs may have before it is told

---@type bench.Scale
Steps.FULL = { few = 1000, many = 100000, most = 1000000, seconds = 10, rounds = 3 }
---@type bench.Scale
Steps.QUICK = { few = 1000, many = 5000, most = 10000, seconds = 2, rounds = 1 }

--- 1000000 -> "1,000,000"
function Steps.number(n)
  local text = ("%.0f"):format(n)
  repeat
    local count
    text, count = text:gsub("^(%-?%d+)(%d%d%d)", "%1,%2")
  until count == 0
  return text
end

local function say_phase(p)
  local cost = p.capacity and (", server's core %.0f %% busy"):format(100 * (p.user + p.system) / p.seconds) or ""
  local lost = p.lost + p.other > 0 and (", %s lost, %s refused"):format(Steps.number(p.lost), Steps.number(p.other)) or ""
  local others = p.foreign > Steps.QUIET and (", other programs had %.0f %% of both cores"):format(100 * p.foreign) or ""
  return ("%s %s/s%s%s%s"):format(p.phase, Steps.number(p.rate), cost, lost, others)
end

--- Reads all measurements back, as any other program would.
local function count_rows(store)
  local reader = assert(require("moonwire.core").reader(store))
  local n, after = 0, 0
  while true do
    local rows = assert(reader:feed { kind = "measurement", after = after, limit = PAGE })
    if #rows == 0 then break end
    n, after = n + #rows, rows[#rows].seq
  end
  reader:close()
  return n
end

---@param setup bench.Setup
---@param scale bench.Scale
---@return { title: string, seconds: number, run: fun(): string }[] steps  `run` gives a line to print
---@return bench.Results
function Steps.new(setup, scale)
  local results = { limit = {}, updates = {}, rss_at_start = {}, notify = {}, rows = 0, acks = 0 }
  local steps, servers, limit = {}, {}, nil

  local function add(title, seconds, run) steps[#steps + 1] = { title = title, seconds = seconds, run = run } end

  local function add_limit(round, when)
    add(("limit, %s round %d"):format(when, round), scale.seconds + 1, function()
      limit = limit or Load.limit(setup)
      results.limit[round] = results.limit[round] or {}
      results.limit[round][when] = limit:storm("echo", scale.many, scale.seconds).echo
      return say_phase(results.limit[round][when])
    end)
  end

  local function add_updates(round, devices)
    local title = ("updates of %s devices, round %d"):format(Steps.number(devices), round)
    add(title, scale.seconds + 2 + devices / REGISTRATIONS_A_SECOND, function()
      servers[devices] = servers[devices] or Load.server(setup, "updates-" .. devices)
      results.rss_at_start[devices] = servers[devices].rss_at_start
      results.updates[devices] = results.updates[devices] or {}
      local phases = servers[devices]:storm("register,update", devices, scale.seconds)
      results.updates[devices][round] = phases
      return ("register %s/s; "):format(Steps.number(phases.register.rate)) .. say_phase(phases.update)
    end)
  end

  local function add_notify(round)
    add(("notifications, round %d"):format(round), scale.seconds + 3, function()
      servers.notify = servers.notify or Load.server(setup, "notifications")
      results.notify[round] = servers.notify:storm("register,notify", NOTIFIED, scale.seconds).notify
      results.acks = results.acks + results.notify[round].ok
      return say_phase(results.notify[round])
    end)
  end

  for round = 1, scale.rounds do
    add_limit(round, "before")
    for _, devices in ipairs { scale.few, scale.many, scale.most } do add_updates(round, devices) end
    add_limit(round, "after")
  end
  add("ending these servers", 5, function()
    limit:stop()
    for _, server in pairs(servers) do server:stop() end
    servers = {}
    return "done"
  end)
  for round = 1, scale.rounds do add_notify(round) end
  add("counting the stored measurements", scale.rounds * scale.seconds / 2, function()
    servers.notify:stop()
    results.rows = count_rows(servers.notify.store)
    return ("%s rows for %s acknowledged notifications"):format(Steps.number(results.rows), Steps.number(results.acks))
  end)
  return steps, results
end

return Steps
