--- What every end-to-end spec needs: a folder that goes away, a host on loopback, simulated devices, raw CoAP peers,
--- and the `moonwire` command as a process. Waiting is always for an event, with a limit, and never a sleep.
local lfs = require "lfs"
local Sim = require "moonwire.sim"
local Coap = require "moonwire.sim.coap"

local World = {}
World.__index = World

local LIMIT_MS = 10000

--- A bare socket that speaks CoAP by hand, in the shape that Sim.run wants.
local Peer = {}
Peer.__index = Peer

function Peer:fd() return self.sock:fd() end
function Peer:timeout_ms() return -1 end -- luacheck: ignore 212
function Peer:step()
  while true do
    local bytes, from = self.sock:recv()
    if not bytes then return end
    local m = assert(Coap.parse(bytes))
    m.from, m.bytes = from, bytes
    self.inbox[#self.inbox + 1] = m
  end
end

--- Sends bytes, or a message that is built first. @param what string|table @param to string? address
function Peer:send(what, to)
  assert(self.sock:send(to or "127.0.0.1", self.world.port, type(what) == "string" and what or Coap.build(what)))
end

--- Sends a request with a message id of its own and gives the answer; empty acknowledgements are passed over.
---@param m table  see Coap.build
---@param to string?
---@return table answer
function Peer:ask(m, to)
  self.mid = (self.mid or 100) + 1
  m.mid = m.mid or self.mid
  m.token = m.token or "tok"
  self:send(m, to)
  return self:receive(function(a) return a.code ~= "0.00" or a.type == "RST" end)
end

--- Takes the oldest message that fits out of the inbox; waits for it.
---@param fits? fun(m: table): boolean
function Peer:receive(fits)
  return self.world:run(function()
    for i, m in ipairs(self.inbox) do
      if not fits or fits(m) then return table.remove(self.inbox, i) end
    end
  end)
end

--- A world with its folder and without a host.
function World.new()
  local dir = os.tmpname()
  os.remove(dir)
  assert(lfs.mkdir(dir))
  return setmetatable({ dir = dir, devices = {}, peers = {}, children = {}, events = {}, lines = {} }, World)
end

--- Path of a file in the folder. @param name string
function World:path(name) return self.dir .. "/" .. name end

function World:write(name, text)
  local folder = ""
  for part in name:gmatch("([^/]+)/") do
    folder = folder .. "/" .. part
    lfs.mkdir(self.dir .. folder)
  end
  local file = assert(io.open(self:path(name), "wb"))
  file:write(text)
  file:close()
  return self:path(name)
end

function World.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function driver(world)
  local host = world.host
  return {
    fd = function() return host:fd() end,
    timeout_ms = function() return host:timeout_ms() end,
    step = function() assert(host:step()) end,
  }
end

--- Opens a host on the world's store; fails the test when that fails. Keys as core.host.
function World:open(config)
  local host, err = self:try_open(config)
  assert(host, err)
  self.host = host
  self.port = tonumber(host:listen_addresses()[1]:match(":(%d+)$"))
  self.server = "coap://127.0.0.1:" .. self.port
  host:on("*", function(event) self.events[#self.events + 1] = event end)
  return host
end

--- As open, but gives what core.host gives and keeps nothing.
function World:try_open(config)
  local all = {
    listen = { "127.0.0.1:0" }, store = self:path("store.db"), ddf = "ddf", log_level = "info",
    log = function(level, group, text) self.lines[#self.lines + 1] = ("%s %s %s"):format(level, group, text) end,
  }
  for key, value in pairs(config or {}) do all[key] = value end
  return require("moonwire.core").host(all)
end

--- Closes the host alone, as a restart does.
function World:close_host()
  self.host:close()
  self.host = nil
end

--- A simulated device; options as Sim.device, with usual ones filled in.
function World:device(opts)
  local all = {
    endpoint = "urn:dev:" .. #self.devices + 1, server = self.server, ack_timeout_ms = 1000,
    objects = {
      [1] = { [0] = { [0] = 101, [1] = 300 } },
      [3] = { [0] = { [0] = "Moonwire", [1] = "sim" } },
      [3303] = { [0] = { [5700] = 21.5, [5701] = "Cel" } },
    },
    types = { ["3303/5700"] = "Float" },
  }
  for name, value in pairs(opts or {}) do all[name] = value end
  local dev = assert(Sim.device(all))
  self.devices[#self.devices + 1] = dev
  return dev
end

--- A device that has registered, and of which the host knows.
function World:registered(opts)
  local dev = self:device(opts)
  self:register(dev)
  return dev
end

function World:register(dev)
  assert(dev:register())
  self:run(function() return dev.state ~= "registering" end)
  assert(dev.state == "registered", ("%s was answered %s"):format(tostring(dev.endpoint), tostring(dev.last_code)))
  return dev
end

--- A bare CoAP peer.
function World:peer()
  local peer = setmetatable({ world = self, sock = assert(Sim.udp()), inbox = {} }, Peer)
  self.peers[#self.peers + 1] = peer
  return peer
end

--- Runs host, devices and peers until `until_` gives something true, and gives that; fails the test after the limit.
function World:run(until_, limit_ms)
  local all = {}
  for _, dev in ipairs(self.devices) do all[#all + 1] = dev end
  for _, peer in ipairs(self.peers) do all[#all + 1] = peer end
  local result, err = Sim.run {
    host = self.host and driver(self), devices = all, until_ = until_, timeout_ms = limit_ms or LIMIT_MS,
  }
  if not result then error(err .. "\nlog:\n" .. table.concat(self.lines, "\n"), 2) end
  return result
end

--- Lets everything that is under way on loopback arrive: a CoAP ping goes the same way and must come back last.
function World:settle()
  self.pinger = self.pinger or self:peer()
  local start = #self.lines
  for mid = 1, 3 do
    self.pinger:send { code = "EMPTY", mid = mid }
    self.pinger:receive()
  end
  return start
end

--- Starts an operation of the host and waits for its callback.
---@return table? values
---@return string? message
---@return string? code
function World:call(name, ...)
  local args, result = table.pack(...), nil
  args[args.n + 1] = function(...) result = table.pack(...) end
  local id, err, code = self.host[name](self.host, table.unpack(args, 1, args.n + 1))
  if not id then return nil, err, code end
  self:run(function() return result end)
  return table.unpack(result, 1, result.n)
end

--- Events of one name so far. @return table[]
function World:named(name)
  local out = {}
  for _, event in ipairs(self.events) do
    if event.name == name then out[#out + 1] = event end
  end
  return out
end

--- Waits for the nth event of a name.
function World:event(name, n)
  return self:run(function() return self:named(name)[n or 1] end)
end

--- The first log line that has a text in it, or nil.
function World:logged(text)
  for _, line in ipairs(self.lines) do
    if line:find(text, 1, true) then return line end
  end
end

--- Rows of the store's feed, by a reader of its own.
function World:feed(query)
  local reader = assert(require("moonwire.core").reader(self:path("store.db")))
  local rows = assert(reader:feed(query))
  reader:close()
  return rows
end

--- A counter of the host.
function World:stat(name) return assert(self.host:stats()[name], name) end

function World.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- Where the `moonwire` command is.
function World.command() return assert(os.getenv("MW_BUILD"), "MW_BUILD names no folder") .. "/bin/moonwire" end

--- Runs a shell command in the folder, without the sanitizer's preload.
---@return integer status
---@return string stdout
---@return string stderr
function World:shell(command)
  local errors = self:path("stderr")
  local pipe = assert(io.popen(("unset LD_PRELOAD; cd %s && exec 2>%s </dev/null; %s"):format(
    World.quote(self.dir), World.quote(errors), command)))
  local out = pipe:read("a")
  local _, _, status = pipe:close()
  return status, out, World.read(errors)
end

--- Runs `moonwire` with arguments. @return integer status, string stdout, string stderr
function World:moonwire(...)
  local words = { World.quote(World.command()) }
  for i, arg in ipairs { ... } do words[i + 1] = World.quote(arg) end
  return self:shell(table.concat(words, " "))
end

--- Starts `moonwire serve` on the world's store as a process, and waits until it is ready.
---@param options? string[]  more options
---@return table child       pid, pipe, lines
function World:serve(options)
  lfs.mkdir(self:path("no-scripts"))
  local words = { World.quote(World.command()), "serve", "--store", World.quote(self:path("store.db")), "--ddf",
    World.quote(lfs.currentdir() .. "/ddf") }
  for _, option in ipairs(options or { "--listen", "127.0.0.1:0", "--scripts", self:path("no-scripts") }) do
    words[#words + 1] = World.quote(option)
  end
  local pipe = assert(io.popen(("unset LD_PRELOAD; cd %s; echo $$; exec 2>&1 </dev/null; exec %s"):format(
    World.quote(self.dir), table.concat(words, " "))))
  local child = { pid = assert(tonumber(pipe:read("l"))), pipe = pipe, lines = {} }
  self.children[#self.children + 1] = child
  for line in pipe:lines() do
    child.lines[#child.lines + 1] = line
    local port = line:match("listening on coap://[^%s]-:(%d+)$")
    if port then self.port, self.server = tonumber(port), "coap://127.0.0.1:" .. port end
    if line:find(" host   ready$") then return child end
  end
  error("moonwire serve ended before it was ready:\n" .. table.concat(child.lines, "\n"))
end

--- Ends a process by its number and waits until it is gone. @param signal? string "KILL"
---@return string rest   what it still had to say
---@return integer status
function World:stop(child, signal)
  assert(os.execute(("kill -s %s %d"):format(signal or "KILL", child.pid)))
  local rest = child.pipe:read("a")
  local _, _, status = child.pipe:close()
  child.pid = nil
  return rest, status
end

local function remove(path)
  if lfs.symlinkattributes(path, "mode") ~= "directory" then return os.remove(path) end
  for name in lfs.dir(path) do
    if name ~= "." and name ~= ".." then remove(path .. "/" .. name) end
  end
  lfs.rmdir(path)
end

--- Ends everything and removes the folder.
function World:close()
  for _, child in ipairs(self.children) do
    if child.pid then self:stop(child) end
  end
  for _, dev in ipairs(self.devices) do dev:close() end
  for _, peer in ipairs(self.peers) do peer.sock:close() end
  if self.host then self.host:close() end
  remove(self.dir)
end

return World
