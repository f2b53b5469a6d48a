--- `moonwire demo`: a host, three simulated thermometers and a screen, in one process and with nothing to configure.
local Demo = {
  name = "demo",
  usage = "[--once] [--plain]",
  summary = "See it work: a server with simulated devices and a live table",
  about = [[
Everything it stores is in a temporary folder and goes at the end. The scripts are those of the working directory, or
the shipped ones: edit scripts/protocols/temperature.lua while it runs.]],
  options = {
    { name = "once", help = "end after ten stored measurements" },
    { name = "plain", help = "lines instead of a screen (the default when the output is no terminal)" },
  },
}

local PORT = 5783
local ONCE = 10
local ONCE_LIMIT_MS = 60000
local TICK_MS, DRAW_MS, RETRY_MS, MAX_WAIT_MS = 1000, 200, 2000, 200

local PLACES = {
  { endpoint = "cold-store", low = -22, high = -17, period_s = 90 },
  { endpoint = "greenhouse", low = 18, high = 29, period_s = 60, phase = 0.3 },
  { endpoint = "oven", low = 40, high = 66, period_s = 40, phase = 0.6 },
}

local function open_host(config)
  local core = require "moonwire.core"
  config.listen = { ("127.0.0.1:%d"):format(PORT) }
  local host, err = core.host(config)
  if host then return host end
  if not err:find("in use", 1, true) then return nil, err end
  config.listen = { "127.0.0.1:0" } -- a server runs here already: any other port will do
  return core.host(config)
end

local function remove_store(folder, app)
  for _, suffix in ipairs { "", "-wal", "-shm", "-lock", "-journal" } do os.remove(folder .. "/demo.db" .. suffix) end
  app.remove_folder(folder)
end

-- Everything that the screen needs comes from the feed, by a cursor, as any other reader of it would do.
local function read_feed(reader, view, cursor)
  local rows = reader:feed { after = cursor, limit = 1000 }
  for _, row in ipairs(rows or {}) do
    cursor = row.seq
    if row.kind == "measurement" then view:measurement(row) end
    if row.kind == "alarm" then view:alarm(row) end
  end
  return cursor
end

local function wait(host, thermometers, limit_ms)
  local Sim = require "moonwire.sim"
  local fds, ms = { host:fd() }, limit_ms
  local own = host:timeout_ms()
  if own >= 0 then ms = math.min(ms, own) end
  for _, t in ipairs(thermometers) do
    fds[#fds + 1] = t.device:fd()
    own = t.device:timeout_ms()
    if own >= 0 then ms = math.min(ms, own) end
  end
  Sim.poll(fds, ms)
end

local function loop(ctx)
  local core = require "moonwire.core"
  local Thermometer = require "moonwire.cli.thermometer"
  local now_ms = core.sim.now_ms
  local start, cursor, due, drawn = now_ms(), 0, true, 0
  local next_tick, next_try = start, start
  ctx.host:on("feed.committed", function() due = true end)
  repeat
    local now = now_ms()
    if now >= next_try then Thermometer.register(ctx.thermometers); next_try = now + RETRY_MS end
    if now >= next_tick then
      for _, t in ipairs(ctx.thermometers) do t:tick(now / 1000) end
      next_tick = now + TICK_MS
    end
    local ok, err = ctx.host:step()
    if not ok then return nil, err end
    for _, t in ipairs(ctx.thermometers) do t.device:step() end
    if due then cursor, due = read_feed(ctx.reader, ctx.view, cursor), false end
    if now - drawn >= DRAW_MS then
      ctx.view:draw { address = ctx.address, scripts = ctx.scripts, devices = #ctx.thermometers, now_ms = os.time() * 1000 }
      drawn = now
    end
    if ctx.once and ctx.view.n >= ONCE then return true end
    if ctx.once and now - start > ONCE_LIMIT_MS then
      return nil, ("only %d of %d measurements after %d s"):format(ctx.view.n, ONCE, ONCE_LIMIT_MS // 1000)
    end
    wait(ctx.host, ctx.thermometers, math.max(0, math.min(MAX_WAIT_MS, next_tick - now)))
  until ctx.app.pending_signal()
  return true
end

local function log_sink(view)
  return function(level, group, text)
    if level == "error" or level == "warn" or group == "RELOAD" or group == "SCRIPT" then
      view:say(level, text)
    end
  end
end

local function make_thermometers(address)
  local Thermometer = require "moonwire.cli.thermometer"
  local list = {}
  for i, place in ipairs(PLACES) do
    local opts = { server = "coap://" .. address }
    for k, v in pairs(place) do opts[k] = v end
    list[i] = Thermometer.new(opts)
  end
  return list
end

local function run_in(folder, options, app)
  local View = require "moonwire.cli.demo_view"
  local scripts = app.kind("scripts") == "folder" and "scripts" or app.share .. "/scripts"
  local view = View.new(app, options.plain or not app.terminal())
  local host, err = open_host {
    store = folder .. "/demo.db", ddf = app.share .. "/ddf", scripts = scripts, lua_dir = app.share .. "/lua",
    lenient = true, log = log_sink(view), log_level = "info",
  }
  if not host then return nil, err end
  local reader
  reader, err = require("moonwire.core").reader(folder .. "/demo.db")
  if not reader then return nil, err end
  local ctx = { app = app, host = host, reader = reader, view = view, once = options.once,
    address = host:listen_addresses()[1], scripts = scripts .. "/protocols/temperature.lua" }
  if app.kind(ctx.scripts) ~= "file" then
    view:say("warn", ("there is no %s: only what other scripts map of object 3303 appears here"):format(ctx.scripts))
  end
  ctx.thermometers = make_thermometers(ctx.address)
  if view.plain then
    print(("Moonwire listens on coap://%s with %d simulated devices."):format(ctx.address, #ctx.thermometers))
    print(("Edit %s and save: the next value goes through your version."):format(ctx.scripts))
  end
  view:open()
  local ok, status, message = xpcall(loop, debug.traceback, ctx)
  view:close()
  for _, t in ipairs(ctx.thermometers) do t.device:close() end
  reader:close()
  host:close()
  if not ok then error(status, 0) end
  return status, message
end

function Demo.run(options, app)
  local folder = app.temporary_folder()
  local ok, status, message = xpcall(run_in, debug.traceback, folder, options, app)
  remove_store(folder, app)
  if not ok then error(status, 0) end
  if status and options.once then print(("%d measurements stored. Run it without --once to play with it."):format(ONCE)) end
  return status, message
end

return Demo
