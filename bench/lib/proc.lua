--- Processes of the benchmark: started on one core, looked at through /proc, and ended by the id they were started
--- with. Linux only.
---
--- Every command goes through io.popen and never through os.execute, which ignores Ctrl-C while it waits.
local Proc = {}

Proc.INTERRUPTED = "interrupted"

local STOP_S = 60 -- a server commits and frees a million devices within that
local TICKS -- of the times in /proc/<pid>/stat, a second

local running = {} -- pid -> what it is

local function quote(word) return "'" .. tostring(word):gsub("'", [['\'']]) .. "'" end

---@param words any[]
---@return string  a line for the shell
function Proc.line(words)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = quote(word) end
  return table.concat(quoted, " ")
end

local function check_interrupt(how, status)
  if (how == "signal" and status == 2) or (how == "exit" and status == 130) then error(Proc.INTERRUPTED, 0) end
end

--- Runs a shell line to its end.
---@param line string
---@param each fun(text: string)?  for every line of its output as it comes
---@return boolean ok
---@return string output  without the last line end
function Proc.sh(line, each)
  local pipe = assert(io.popen(line, "r"))
  local lines = {}
  for text in pipe:lines() do
    lines[#lines + 1] = text
    if each then each(text) end
  end
  local ok, how, status = pipe:close()
  check_interrupt(how, status)
  return ok == true, table.concat(lines, "\n")
end

function Proc.sleep(seconds) Proc.sh(("sleep %.2f"):format(seconds)) end

---@return string?
function Proc.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a") -- nil when a process ends between open and read
  file:close()
  return text
end

--- Starts a program on one core, in the background.
---@param what string  for messages
---@param core integer
---@param words string[]
---@param folder string  it works there; its output goes to <what>.out and <what>.err in it
---@return integer pid
function Proc.start(what, core, words, folder)
  -- taskset execs, so $! stays the program's own id; threads inherit the core
  local ok, output = Proc.sh(("cd %s && { exec taskset -c %d %s >%s 2>%s </dev/null & echo $!; }"):format(quote(folder),
    core, Proc.line(words), quote(what .. ".out"), quote(what .. ".err")))
  local pid = math.tointeger(tonumber(output))
  if not ok or not pid then error("cannot start " .. what .. ": " .. output, 0) end
  running[pid] = what
  return pid
end

---@return boolean
function Proc.is_alive(pid)
  local stat = Proc.read(("/proc/%d/stat"):format(pid))
  local state = stat and stat:match(".*%) (%a)")
  return state ~= nil and state ~= "Z" and state ~= "X"
end

--- Asks a process of ours to end, and insists after a minute.
function Proc.stop(pid)
  if not running[pid] then return end
  local line = "kill -%s %d 2>/dev/null"
  Proc.sh(line:format("TERM", pid))
  local deadline = os.time() + STOP_S
  while Proc.is_alive(pid) and os.time() < deadline do Proc.sleep(0.1) end
  if Proc.is_alive(pid) then Proc.sh(line:format("KILL", pid)) end
  running[pid] = nil
end

function Proc.stop_all()
  for pid in pairs(running) do pcall(Proc.stop, pid) end
end

--- Ends @p pid and removes the folder when this program is gone without having done so, killed for example.
function Proc.guard(pid, folder)
  local script = [[trap "" INT HUP; while kill -0 "$1" && kill -0 "$2"; do sleep 1; done
    kill -0 "$1" || { kill -TERM "$2"; rm -rf "$3"; }]]
  local _, me = Proc.sh("echo $PPID")
  Proc.sh(Proc.line { "sh", "-c", script, "guard", me, pid, folder } .. " >/dev/null 2>&1 &")
end

--- Waits until @p test gives something.
---@return any
function Proc.wait(pid, seconds, test)
  local deadline = os.time() + seconds
  while true do
    local result = test()
    if result then return result end
    if not Proc.is_alive(pid) then error(running[pid] .. " ended early", 0) end
    if os.time() >= deadline then error(("%s is not ready after %d s"):format(running[pid], seconds), 0) end
    Proc.sleep(0.1)
  end
end

--- The UDP port that a process is bound to, if it is.
---@return integer?
function Proc.udp_port(pid)
  local _, links = Proc.sh(("ls -l /proc/%d/fd 2>/dev/null"):format(pid))
  local table_of_sockets = Proc.read("/proc/net/udp") or ""
  for inode in links:gmatch("socket:%[(%d+)%]") do
    for line in table_of_sockets:gmatch("[^\n]+") do
      local words = {}
      for word in line:gmatch("%S+") do words[#words + 1] = word end
      if words[10] == inode then return tonumber(words[2]:match(":(%x+)"), 16) end
    end
  end
end

---@class bench.Usage
---@field user number   seconds of CPU, all threads
---@field system number
---@field rss integer   bytes

local function ticks()
  TICKS = TICKS or tonumber(select(2, Proc.sh("getconf CLK_TCK")))
  return TICKS
end

---@return bench.Usage
function Proc.usage(pid)
  local stat = Proc.read(("/proc/%d/stat"):format(pid))
  local status = Proc.read(("/proc/%d/status"):format(pid))
  local rss = status and status:match("VmRSS:%s*(%d+) kB")
  if not stat or not rss then error((running[pid] or "a process") .. " has ended by itself", 0) end
  local fields = {}
  for field in stat:match(".*%) (.*)"):gmatch("%S+") do fields[#fields + 1] = field end
  return { user = tonumber(fields[12]) / ticks(), system = tonumber(fields[13]) / ticks(), rss = tonumber(rss) * 1024 }
end

--- Seconds since the machine started, with two decimals: os.time has none.
function Proc.now() return tonumber(Proc.read("/proc/uptime"):match("^[%d.]+")) end

--- Seconds that a core was busy for anybody, other virtual machines included. Not with interrupts: whose they are is
--- counted differently from kernel to kernel.
---@return number
function Proc.core_busy(core)
  local user, nice, system, steal = (Proc.read("/proc/stat") or ""):match(
    ("\ncpu%d (%%d+) (%%d+) (%%d+) %%d+ %%d+ %%d+ %%d+ (%%d+)"):format(core))
  return user and (user + nice + system + steal) / ticks() or 0
end

--- The cores that we may use.
---@return integer[]
function Proc.cores()
  local list = (Proc.read("/proc/self/status") or ""):match("Cpus_allowed_list:%s*(%S+)") or "0"
  local cores = {}
  for from, to in list:gmatch("(%d+)%-?(%d*)") do
    for core = tonumber(from), tonumber(to) or tonumber(from) do cores[#cores + 1] = core end
  end
  return cores
end

return Proc
