--- Figures as a table for the terminal, as a Markdown page, and as JSON.
local Json = require "moonwire.json"
local Proc = require "lib.proc"
local Steps = require "lib.steps"

local Report = {}

Report.QUICK = "quick run: not the figures that count"

local number = Steps.number

-- Published or measured by us at another time; ./dev bench does not measure them.
local PEERS = {
  { "Eclipse Leshan 2 (in memory, one core, warm)", "22,000 updates/s at 10,000 devices; 13,000/s and 2.5 GB at 100,000" },
  { "libcoap 4.3.1, server (plain CoAP requests)", "67,000 requests/s at 1,000 peers; 5,800 at 20,000; 500 at 80,000" },
}
local PEERS_LABEL = "Others, not measured in this run: figures that were published or measured earlier on a 2-core machine"

local COLUMNS = { "Figure", "Measured", "Server's core busy", "By CPU second", "CPU ms per 1,000", "Target", "Verdict" }

---@param f bench.Figure
local function cells(f)
  return { f.name, f.text, f.busy and ("%.0f %%"):format(100 * f.busy) or "", f.capacity and number(f.capacity) or "",
    f.cpu or "", f.target or "", f.verdict or "" }
end

local function line_of(command)
  local ok, text = Proc.sh(command .. " 2>/dev/null")
  return ok and text ~= "" and text or nil
end

---@param setup bench.Setup
function Report.machine(setup)
  local git = "git -C " .. Proc.line { setup.root } .. " "
  local commit = line_of(git .. "rev-parse --short=12 HEAD")
  if commit and line_of(git .. "status --porcelain -- src lua scripts bench") then commit = commit .. " with changes" end
  return {
    { "date", os.date("!%Y-%m-%d %H:%M UTC") },
    { "processor", ((Proc.read("/proc/cpuinfo") or ""):match("model name%s*:%s*([^\n]+)") or "unknown") },
    { "cores", ("%d; server on core %d with all its threads, load on core %d%s"):format(#Proc.cores(), setup.server_core,
      setup.load_core, setup.server_core == setup.load_core and " (ONE CORE FOR BOTH: the rates are too low)" or "") },
    { "kernel", ((Proc.read("/proc/sys/kernel/osrelease") or "unknown"):gsub("%s+$", "")) },
    { "commit", commit or "unknown" },
  }
end

--- A row for the machine's table: how much the measurement was disturbed.
function Report.quiet(mean, worst)
  local text = ("other programs had %.0f %% of the two cores, %.0f %% at worst"):format(100 * mean, 100 * worst)
  if worst > Steps.QUIET then text = text .. ": NOT QUIET, the rates and what follows from them are disturbed" end
  return { "quiet", text }
end

---@param rows string[][]
---@return string
local function aligned(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, utf8.len(cell) or #cell) end
  end
  for n, row in ipairs(rows) do
    local padded = {}
    for i, cell in ipairs(row) do padded[i] = cell .. (" "):rep(widths[i] - (utf8.len(cell) or #cell)) end
    lines[n] = (table.concat(padded, "  "):gsub("%s+$", ""))
  end
  return table.concat(lines, "\n")
end

local function markdown(rows)
  local lines = {}
  for n, row in ipairs(rows) do
    lines[#lines + 1] = "| " .. table.concat(row, " | ") .. " |"
    if n == 1 then lines[#lines + 1] = "|" .. (" --- |"):rep(#row) end
  end
  return table.concat(lines, "\n")
end

---@param figures bench.Figure[]
local function rows_of(figures)
  local rows = { COLUMNS }
  for _, f in ipairs(figures) do rows[#rows + 1] = cells(f) end
  return rows
end

---@return string
function Report.terminal(figures, machine, quick)
  local parts = { aligned(rows_of(figures)), "", aligned(machine), "", PEERS_LABEL .. ":", aligned(PEERS) }
  if quick then parts[#parts + 1] = "\n" .. Report.QUICK end
  return table.concat(parts, "\n") .. "\n"
end

--- What every round measured.
local function rounds_of(results, scale)
  local rows = { { "Round", "Limit before", "Limit after", number(scale.few) .. " devices", number(scale.many) .. " devices",
    number(scale.most) .. " devices", "Registering " .. number(scale.most), "Notifications" } }
  for round = 1, scale.rounds do
    local limit, row = results.limit[round], { tostring(round) }
    for _, phase in ipairs { limit.before, limit.after, results.updates[scale.few][round].update,
      results.updates[scale.many][round].update, results.updates[scale.most][round].update,
      results.updates[scale.most][round].register, results.notify[round] } do
      local lost = phase.lost + phase.other
      row[#row + 1] = number(phase.rate) .. "/s" .. (lost > 0 and (" (%s lost)"):format(number(lost)) or "")
    end
    rows[#rows + 1] = row
  end
  return rows
end

local METHOD = [[
- The server, `moonwire serve` with the shipped `scripts/protocols/temperature.lua` and a store on disk, runs on one
  core with all its threads, the disk thread too. `bench/storm` runs on another one: a closed loop over loopback with
  1,024 requests under way, each device with a source address of its own.
- **Limit** is `bench/limit`, which only echoes the same datagrams (recvmmsg, sendmmsg). It is measured right before and
  right after each round; the mean counts.
- The servers of all sizes stay up, and every round loads all of them in turn, %d s each. Figures are medians of %d
  round%s.
- Where the server's core is less than 100 %% busy, the load generator was the slower one. **By CPU second** is what the
  server answers for each second that it computes, in the kernel or outside; **CPU ms per 1,000** is the same the other
  way round, user + system. Ratios are taken both ways, and the lower one is judged.
- **Memory** is without observations: the growth of VmRSS from the idle start to the last registration, with everything
  in it: caches, duplicate detection, allocator.
- **Registrations** are answered after SQLite's commit (WAL, synchronous FULL). Rounds after the first register anew
  what is registered.
- **Notifications** are confirmable ones of %s devices, observed because the script says so. Its mapping to a
  measurement is data that the core reads once; its alarm condition is a Lua function, called for each value. Each
  notification is acknowledged after its measurement is committed; afterwards the store is read back and the rows are
  counted.]]

---@return string
function Report.markdown(figures, results, machine, scale, quick)
  local with_head = table.move(machine, 1, #machine, 2, { { "Where", "" } })
  local parts = {
    "# Benchmarks",
    "",
    quick and ("**%s.**\n"):format(Report.QUICK) or "",
    ("Written by `./dev bench%s`, which repeats it."):format(quick and " --quick" or ""),
  }
  local function section(title, text)
    if title then parts[#parts + 1] = "\n## " .. title end
    parts[#parts + 1] = "\n" .. text
  end
  section(nil, markdown(rows_of(figures)))
  section(nil, markdown(with_head))
  section("Rounds", markdown(rounds_of(results, scale)))
  section("How it is measured", METHOD:format(scale.seconds, scale.rounds, scale.rounds == 1 and "" or "s", number(1000)))
  section("Others", PEERS_LABEL .. ".\n\n" .. markdown({ { "Server", "Figures" }, table.unpack(PEERS) }))
  return table.concat(parts, "\n") .. "\n"
end

function Report.json(figures, results, machine, quick)
  local where = {}
  for _, row in ipairs(machine) do where[row[1]] = row[2] end
  local rounds = { limit = results.limit, notifications = results.notify }
  for devices, list in pairs(results.updates) do rounds["devices_" .. devices] = list end
  return assert(Json.encode { quick = quick, machine = where, figures = figures, rounds = rounds }) .. "\n"
end

return Report
