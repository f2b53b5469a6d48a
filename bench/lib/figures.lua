--- From what was measured to figures with targets and verdicts. Pure.
local Steps = require "lib.steps"

local Figures = {}

local number = Steps.number

---@class bench.Figure
---@field key string         for --json
---@field name string
---@field value number?
---@field text string        the value with its unit
---@field busy number?       of the server's core, 0 to 1
---@field capacity number?   a second of the server's CPU time
---@field cpu string?        milliseconds for 1,000 requests: user + system
---@field target string?
---@field verdict string?    "met", "MISSED", "not judged"

local function median(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  local n = #sorted
  if n == 0 then return nil end
  return n % 2 == 1 and sorted[n // 2 + 1] or (sorted[n // 2] + sorted[n // 2 + 1]) / 2
end

local function map(list, f)
  local out = {}
  for _, item in ipairs(list) do out[#out + 1] = f(item) end
  return out
end

local function of(list, key)
  return median(map(list, function(phase) return phase[key] end))
end

--- A figure from one phase of every round: medians.
local function rate(key, name, phases)
  local busy = median(map(phases, function(p) return (p.user + p.system) / p.seconds end))
  local per_1000 = function(what)
    return median(map(phases, function(p) return p[what] / p.ok * 1e6 end))
  end
  local value = of(phases, "rate")
  return { key = key, name = name, value = value, text = number(value) .. "/s", busy = busy,
    capacity = of(phases, "capacity"), cpu = ("%.1f + %.1f"):format(per_1000("user"), per_1000("system")) }
end

--- Median over the rounds of one phase's rate and capacity by another's.
local function ratios(above, below)
  local rates, capacities = {}, {}
  for i, p in ipairs(above) do
    rates[i] = p.rate / below[i].rate
    capacities[#capacities + 1] = p.capacity and below[i].capacity and p.capacity / below[i].capacity
  end
  return median(rates), median(capacities)
end

--- The load generator is often the slower of the two. Then the rates say little about the server, and two servers of
--- different cost look alike; CPU time tells them apart. The lower of the two ratios counts.
local function ratio(key, name, target, above, below)
  local by_rate, by_cpu = ratios(above, below)
  local value = math.min(by_rate, by_cpu or by_rate)
  local text = by_cpu and ("%.2f (rates %.2f, CPU time %.2f)"):format(value, by_rate, by_cpu) or ("%.2f"):format(value)
  return { key = key, name = name, value = value, text = text, target = (">= %.2f"):format(target), met = value >= target }
end

local function memory(key, name, before, phase, target)
  local value = (phase.rss - before) / phase.devices
  return { key = key, name = name, value = value, target = target and ("<= %d B"):format(target),
    met = not target or value <= target,
    text = ("%.0f B (%.1f MB, then %.1f MB)"):format(value, before / 1e6, phase.rss / 1e6) }
end

--- The limit of each round: the mean of what was measured before and after it.
local function limits(rounds)
  return map(rounds, function(r)
    local mean = { seconds = r.before.seconds + r.after.seconds }
    for _, key in ipairs { "rate", "capacity" } do
      mean[key] = r.before[key] and r.after[key] and (r.before[key] + r.after[key]) / 2
    end
    for _, key in ipairs { "user", "system", "ok" } do mean[key] = r.before[key] + r.after[key] end
    return mean
  end)
end

local function phases_of(results, devices, phase)
  return map(results.updates[devices], function(r) return r[phase] end)
end

--- What other programs had of the two cores: the mean and the worst.
---@param results bench.Results
---@return number mean  0 to 1
---@return number worst
function Figures.foreign(results)
  local sum, n, worst = 0, 0, 0
  local function add(phase) sum, n, worst = sum + phase.foreign, n + 1, math.max(worst, phase.foreign) end
  for _, round in ipairs(results.limit) do add(round.before) add(round.after) end
  for _, rounds in pairs(results.updates) do
    for _, round in ipairs(rounds) do add(round.update) end
  end
  for _, phase in ipairs(results.notify) do add(phase) end
  return sum / n, worst
end

---@param results bench.Results
---@param scale bench.Scale
---@param judge boolean  false: verdicts are left out
---@return bench.Figure[]
function Figures.of(results, scale, judge)
  local limit = limits(results.limit)
  local few, many, most = phases_of(results, scale.few, "update"), phases_of(results, scale.many, "update"),
    phases_of(results, scale.most, "update")
  local at_start = results.rss_at_start
  local first_many, first = results.updates[scale.many][1].register, results.updates[scale.most][1].register
  local notify = rate("notifications", "notification, Lua mapping, committed measurement", results.notify)
  notify.target, notify.met = ">= 30,000/s", notify.value >= 30000 and results.rows >= results.acks
  local figures = {
    rate("limit", "limit: UDP echo of the same datagrams", limit),
    rate("updates_few", ("registration updates, %s devices"):format(number(scale.few)), few),
    rate("updates_many", ("registration updates, %s devices"):format(number(scale.many)), many),
    rate("updates_most", ("registration updates, %s devices"):format(number(scale.most)), most),
    ratio("updates_to_limit", ("updates at %s by limit"):format(number(scale.many)), 0.50, many, limit),
    ratio("most_to_few", ("updates at %s by %s"):format(number(scale.most), number(scale.few)), 0.85, most, few),
    rate("registrations", ("registrations, durable, the first %s"):format(number(scale.most)), { first }),
    memory("memory_many", ("memory a device, %s devices"):format(number(scale.many)), at_start[scale.many], first_many),
    memory("memory_most", ("memory a device, %s devices"):format(number(scale.most)), at_start[scale.most], first, 512),
    notify,
    { key = "stored", name = "measurements in the store by notifications acknowledged", value = results.rows,
      text = ("%s by %s"):format(number(results.rows), number(results.acks)), target = "none is missing",
      met = results.rows >= results.acks },
  }
  for _, f in ipairs(figures) do
    f.verdict = f.target and (not judge and "not judged" or f.met and "met" or "MISSED") or nil
    f.met = nil
  end
  return figures
end

return Figures
