--- Loading and exchanging units while the host runs.
---
--- A unit is one file; its name is its path below the folder of scripts. A delivery of files goes through
---
---     what changed -> compile ("t") -> run into a draft -> seal -> check -> selftest -> commit (one assignment) -> retire
---
--- for all files that changed and all units that depend on them, together: every draft passes, or none is committed and
--- the units in use go on. A set that failed is held back, silently, until one of its files changes; other files are
--- loaded without it meanwhile. Files under lib/ are no units: units get them by script.require.
--- Such a file runs once for itself, which is its test, and once for each unit that requires it, so that no unit can change
--- what another one uses.
---
--- What a unit made is read raw (next, rawequal, type) and never shown by tostring: outside core.guard nothing limits its
--- metamethods.
local Hooks = require "moonwire.script.hooks"
local Protocol = require "moonwire.script.protocol"
local Sandbox = require "moonwire.script.sandbox"
local Shape = require "moonwire.script.shape"

---@class Reload
---@field live table<string, table>  units and libraries in use, by name
---@field held table[]               sets that failed: { [name] = hash or false (no such file) }
local Reload = {}
Reload.__index = Reload

local MESSAGE_MAX = 2000 -- bytes of an error that are looked at
local STATE_DEPTH = 100
local STATE_ENTRIES = 500000
local LEFT_MAX = 20 -- names in the log of what stays behind
local GROWTH_MAX = 1024 * 1024 -- bytes that a file may add when memory is short

local KINDS = { protocol = Protocol, hooks = Hooks }

---@param core table  see moonwire.script
---@param base table  of Sandbox.base
---@return Reload
function Reload.new(core, base)
  return setmetatable({ core = core, base = base, live = {}, held = {}, committed = false }, Reload)
end

-- Errors ------------------------------------------------------------------------------------------------------------

--- "protocols/x.lua:3: reason [traceback: ...]" -> what a report needs. A place in our own library is of no use to
--- whoever wrote the unit: then the innermost place in a unit is taken.
---@param files table<string, table>  all units on disk
local function problem(name, message, files)
  message = tostring(message):sub(1, MESSAGE_MAX)
  local trace_at = message:find(" [traceback: ", 1, true)
  local text = trace_at and message:sub(1, trace_at - 1) or message
  local trace = trace_at and message:sub(trace_at) or ""
  local file, line, reason = text:match("^([^:\n]+):(%d+): (.*)$")
  if file and file:sub(1, 3) == "..." and not file:find("moonwire/script/", 1, true) then file = name end -- shortened
  if file and (file == name or files[file]) then
    return { file = file, unit = name, line = math.tointeger(tonumber(line)), reason = reason, full = message }
  end
  if file and file:find("moonwire/script/[%w_]+%.lua$") then text = reason end
  file, line = trace:match("^ %[traceback: ([^:\n]+):(%d+)")
  if not (file and files[file]) then return { file = name, reason = text, full = name .. ": " .. text .. trace } end
  return { file = file, unit = name, line = math.tointeger(tonumber(line)), reason = text,
    full = ("%s:%s: %s%s"):format(file, line, text, trace) }
end

-- State -------------------------------------------------------------------------------------------------------------

local copy_state

local function copy_key(key, copying, path)
  if type(key) == "table" then return copy_state(key, copying, path .. "[key]") end
  if type(key) == "string" or type(key) == "number" or type(key) == "boolean" then return key end
  return copy_state(key, copying, path .. "[key]") -- named as what stays behind
end

local function leave_behind(copying, path)
  copying.n_left = copying.n_left + 1
  if copying.n_left <= LEFT_MAX then copying.left[copying.n_left] = path end
end

--- A deep copy of plain data. What is no plain data stays behind and is named in `copying.left`.
function copy_state(v, copying, path)
  local kind = type(v)
  if kind == "function" or kind == "userdata" or kind == "thread" then return leave_behind(copying, path) end
  if kind ~= "table" then return v end
  if copying.seen[v] then return copying.seen[v] end
  if copying.depth == STATE_DEPTH then return leave_behind(copying, path:sub(1, 60) .. "... (too deep)") end
  copying.depth = copying.depth + 1
  local out = {}
  copying.seen[v] = out
  for key, value in next, v do
    copying.n = copying.n + 1
    if copying.n > STATE_ENTRIES then error(("it has more than %d entries"):format(STATE_ENTRIES), 0) end
    local new_key = copy_key(key, copying, path)
    if new_key ~= nil then
      if type(value) == "table" or type(value) == "function" or type(value) == "userdata" or type(value) == "thread" then
        local name = type(key) == "string" and key:sub(1, 40) or Shape.show(key)
        value = copy_state(value, copying, #path < 200 and path .. "." .. name or path)
      end
      out[new_key] = value
    end
  end
  copying.depth = copying.depth - 1
  return out
end

---@param v table
---@return table copy
---@return string[] left  what is no plain data
local function plain_state(v)
  local copying = { seen = {}, left = {}, n_left = 0, n = 0, depth = 0 }
  local out = copy_state(v, copying, "state")
  if copying.n_left > LEFT_MAX then
    copying.left[#copying.left + 1] = ("%d more"):format(copying.n_left - LEFT_MAX)
  end
  return out, copying.left
end

--- The state for the next version of a unit. A state that cannot be copied must not stand in the way of the file that
--- mends it: then the unit starts with an empty one.
function Reload:inherit(name, slot, state)
  local left
  local ok, why = self.core.guard(slot, function()
    state, left = plain_state(state)
  end)
  if not ok then
    self.core.log("warn", "RELOAD", ("%s: script.state cannot be copied, it starts empty: %s"):format(name,
      problem(name, why).reason))
    return {}
  end
  if left[1] then
    self.core.log("warn", "RELOAD", ("%s: script.state keeps plain data only; %s is left behind"):format(name,
      table.concat(left, ", ")))
  end
  return state
end

-- Drafts ------------------------------------------------------------------------------------------------------------

--- One delivery under way.
---@class Batch
---@field files table<string, table>   on disk: { name, text, why, hash }
---@field set table<string, boolean>   names to load or to retire
---@field drafts table<string, table>
---@field problems table[]
---@field failed table<string, string> name -> reason
local Batch = {}
Batch.__index = Batch

function Batch:fail(name, message)
  if self.failed[name] then return end
  local p = problem(name, message, self.files)
  self.failed[name] = p.reason
  self.problems[#self.problems + 1] = p
end

local function library_name(name)
  name = tostring(name)
  if not name:find("%.lua$") then name = name .. ".lua" end
  return name
end

--- Makes sure that a library of this delivery has passed its own load.
function Batch:library(draft, name)
  if self.set[name] then
    if self.loading[name] then error(("%s is required by itself, by way of %s"):format(name, draft.name), 0) end
    if not self.files[name] then error(("there is no file %s"):format(name), 0) end
    self:load(name)
    if self.failed[name] then error(("%s has a problem of its own: %s"):format(name, self.failed[name]), 0) end
    return self.drafts[name]
  end
  local library = self.reload.live[name]
  if not library then
    error(self.files[name] and ("%s has a problem of its own, see the log"):format(name)
      or ("there is no file %s"):format(name), 0)
  end
  return library
end

--- Runs a library for the one draft that requires it.
function Batch:instance(owner, library)
  local name = library.name
  local old = owner.old and owner.old.libraries[name]
  local instance = {
    name = name,
    owner = owner,
    deps = owner.deps,
    is_library = true,
    state = self.reload:inherit(name, owner.slot, old and old.state or {}),
  }
  owner.libraries[name] = instance -- before it runs: a circle finds it
  local chunk, seal = self:compile(instance, library.source, old)
  local ok, value = pcall(assert(chunk))
  instance.sealed = true
  seal()
  if not ok then
    owner.libraries[name] = nil
    error(value, 0)
  end
  instance.value = value
  return instance
end

--- script.require, for a draft.
function Batch:require(draft, name)
  name = library_name(name)
  if name:sub(1, 4) ~= "lib/" then
    error(('script.require loads from lib/, for example script.require "lib/convert", not %q'):format(name), 0)
  end
  local owner = draft.owner or draft
  owner.deps[name] = true
  local instance = owner.libraries[name]
  if not instance then
    local library = self:library(draft, name)
    for dependency in pairs(library.deps) do
      owner.deps[dependency] = true
    end
    instance = self:instance(owner, library)
  end
  if not instance.sealed then error(("%s is required by itself, by way of %s"):format(name, draft.name), 0) end
  return instance.value
end

--- The table `script` of a unit.
function Batch:script_api(draft, old)
  local located = self.reload.core.located
  local replaces = old ~= nil -- not `old` itself: every version would keep the one before it
  local function loading(name)
    if draft.sealed then error(("script.%s works only while the file loads"):format(name), 0) end
  end
  return Sandbox.frozen({
    name = draft.name,
    state = draft.state,
    require = located(function(where, name)
      loading "require"
      local ok, value = pcall(self.require, self, draft, name)
      if not ok then error(where .. ": " .. tostring(value), 0) end
      return value
    end),
    migrate = located(function(where, fn)
      loading "migrate"
      Shape.new(where):expect(fn, "script.migrate", "function", "function(old) return { ... } end")
      if not replaces then return end
      local new = fn(draft.state)
      if type(new) ~= "table" then error(where .. ": script.migrate must return the new state, a table", 0) end
      if rawequal(new, draft.state) then return end
      new = plain_state(new)
      for key in next, draft.state do
        rawset(draft.state, key, nil)
      end
      for key, value in next, new do
        rawset(draft.state, key, value)
      end
    end),
    selftest = located(function(where, fn)
      loading "selftest"
      draft.selftest = Shape.new(where):expect(fn, "script.selftest", "function", "function(t) ... end")
    end),
  }, "script")
end

--- `protocol` and `hooks`, for a draft.
function Batch:declarations(draft)
  local out = {}
  for kind, module in pairs(KINDS) do
    out[kind] = self.reload.core.located(function(where, declaration)
      if draft.sealed then error(("%s: %s { } works only while the file loads"):format(where, kind), 0) end
      if draft.is_library then error(("%s: a file under lib/ declares nothing"):format(where), 0) end
      if draft.declaration then
        error(("%s: a file has one declaration; the first is at %s"):format(where, draft.declaration.where), 0)
      end
      draft.declaration = module.declare(declaration, where)
      draft.token = Sandbox.frozen({}, kind)
      return draft.token
    end)
  end
  return out
end

function Batch:new_draft(name)
  local file, old = self.files[name], self.reload.live[name]
  local slot = self.reload.core.slot(name)
  return {
    name = name,
    slot = slot,
    hash = file.hash,
    deps = {},
    libraries = {}, -- by name, as this draft has them
    old = old,
    is_library = name:sub(1, 4) == "lib/",
    state = self.reload:inherit(name, slot, old and old.state or {}),
  }
end

--- A file as a function that has not run yet, with an environment of its own.
---@return function? chunk, function|string seal  or nil and why not
function Batch:compile(draft, source, old)
  local own = self:declarations(draft)
  own.script = self:script_api(draft, old)
  local env, seal = Sandbox.env(self.reload.base, own)
  local chunk, why = load(source, "@" .. draft.name, "t", env) -- "t": never bytecode
  return chunk, chunk and seal or why
end

local function check_draft(draft)
  if draft.is_library then return true end
  if not draft.declaration then
    return nil, "the file declares nothing: end it with `return protocol { ... }` or `return hooks { ... }`"
  end
  if not rawequal(draft.value, draft.token) then return nil, "the file must return its declaration: `return protocol { ... }`" end
  return true
end

--- Compiles and runs one file into a draft; problems go to the batch.
function Batch:load(name)
  if self.drafts[name] or self.failed[name] then return end
  local file, core = self.files[name], self.reload.core
  if file.why then return self:fail(name, file.why) end
  local room = core.room()
  local draft = self:new_draft(name)
  draft.source = file.text:sub(1, 3) == "\xEF\xBB\xBF" and file.text:sub(4) or file.text -- editors' byte order mark
  local chunk, seal = self:compile(draft, draft.source, draft.old)
  if not chunk then return self:fail(name, seal) end
  self.loading[name] = true
  local ok, value = core.guard(draft.slot, chunk)
  self.loading[name] = nil
  draft.sealed, draft.old = true, nil -- else every version would keep the one before it
  seal()
  if not ok then return self:fail(name, value) end
  draft.value = value
  local why
  ok, why = check_draft(draft)
  if not ok then return self:fail(name, why) end
  if not draft.is_library then draft.source = nil end
  local left = core.room()
  if left < 0 and room - left > GROWTH_MAX then
    return self:fail(name, ("it takes up more memory than all scripts together have left (%d KiB too much)"):format(
      -left // 1024))
  end
  self.drafts[name] = draft
end

-- Checks of the whole -----------------------------------------------------------------------------------------------

local function sorted_names(t)
  local names = {}
  for name in pairs(t) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- What would be in use after the commit.
function Batch:merged()
  local next_live = {}
  for name, unit in pairs(self.reload.live) do
    if not self.set[name] then next_live[name] = unit end
  end
  for name, draft in pairs(self.drafts) do
    if not self.failed[name] then next_live[name] = draft end
  end
  return next_live
end

--- Two units must not declare the same resource: it would depend on chance which one wins.
function Batch:check_clashes()
  local owners = {}
  local merged = self:merged()
  for _, name in ipairs(sorted_names(merged)) do
    local d = merged[name].declaration
    for rid in pairs(d and d.kind == "protocol" and d.resources or {}) do
      local key = ("/%d/*/%d"):format(d.object, rid)
      local other = owners[key]
      if not other then
        owners[key] = name
      else
        local culprit = self.drafts[name] and name or other -- one of the two is new
        local rival = culprit == name and other or name
        self:fail(culprit, ("%s: resource %s is declared by %s already (%s)"):format(
          merged[culprit].declaration.where, key, rival, merged[rival].declaration.where))
      end
    end
  end
end

local function same(a, b)
  if type(a) == "number" and type(b) == "number" then return a == b or math.abs(a - b) <= 1e-9 * math.abs(a) end
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in next, a do
    if not same(value, b[key]) then return false end
  end
  for key in next, b do
    if a[key] == nil then return false end
  end
  return true
end

--- What a selftest gets: comparisons that say what was wrong and where.
local function test_api(core, draft)
  local function comparison(name, is_good)
    return core.located(function(where, wanted, got)
      if not is_good(wanted, got) then
        error(("%s: selftest: t.%s wanted %s, got %s"):format(where, name, Shape.show(wanted), Shape.show(got)), 0)
      end
    end)
  end
  local api = draft.declaration and KINDS[draft.declaration.kind].test_api(draft.declaration) or {}
  api.equal = comparison("equal", rawequal)
  api.same = comparison("same", same)
  api.is_true = core.located(function(where, got)
    if got ~= true then error(("%s: selftest: wanted true, got %s"):format(where, Shape.show(got)), 0) end
  end)
  return Sandbox.frozen(api, "t")
end

function Batch:selftest(name)
  local draft, core = self.drafts[name], self.reload.core
  for _, fn in ipairs { draft.declaration and draft.declaration.selftest or false, draft.selftest or false } do
    if fn and not self.failed[name] then
      local ok, why = core.guard(draft.slot, fn, test_api(core, draft))
      if not ok then self:fail(name, why) end
    end
  end
end

-- What to load ------------------------------------------------------------------------------------------------------

local function hash_on_disk(files, name)
  return files[name] and files[name].hash or false
end

--- True when nothing of a set that failed has changed since.
local function is_as_it_failed(group, files)
  for name, hash in pairs(group) do
    if hash_on_disk(files, name) ~= hash then return false end
  end
  return true
end

local function add_dependants(set, live)
  for name, unit in pairs(live) do
    for dependency in pairs(unit.deps) do
      if set[dependency] then set[name] = true end -- deps holds the indirect ones too
    end
  end
end

--- Names whose text on disk is not the one in use; without those held back, unless `all`.
function Reload:changed(files, all)
  local set = {}
  for name, file in pairs(files) do
    if not self.live[name] or self.live[name].hash ~= file.hash then set[name] = true end
  end
  for name in pairs(self.live) do
    if not files[name] then set[name] = true end
  end
  for _, group in ipairs(self.held) do
    local keep_back = not all and is_as_it_failed(group, files)
    for name in pairs(group) do
      set[name] = not keep_back and (set[name] or files[name] ~= nil or self.live[name] ~= nil) or nil
    end
  end
  return set
end

function Reload:files_by_name(list)
  local files = {}
  for _, file in ipairs(list) do
    file.hash = file.why and "unreadable: " .. file.why or self.core.hash(file.text)
    files[file.name] = file
  end
  return files
end

function Reload:new_batch(files, options)
  local set
  if options.only then
    set = { [options.only] = true }
  else
    set = self:changed(files, options.check_only)
  end
  add_dependants(set, self.live)
  return setmetatable({
    reload = self,
    files = files,
    set = set,
    drafts = {},
    failed = {},
    problems = {},
    loading = {},
  }, Batch)
end

-- The end of a batch ------------------------------------------------------------------------------------------------

--- The tables that C walks; src/script/plan.h.
function Reload.plan(live)
  local rules, hooks = {}, {}
  for _, name in ipairs(sorted_names(live)) do
    local unit = live[name]
    if unit.declaration then
      local kind = unit.declaration.kind
      KINDS[kind].plan(kind == "protocol" and rules or hooks, unit.declaration, unit.slot)
    end
  end
  table.sort(rules, function(a, b)
    if a.oid ~= b.oid then return a.oid < b.oid end
    return a.rid < b.rid
  end)
  return { rules = rules, hooks = hooks }
end

function Reload:forget_held(set)
  for i = #self.held, 1, -1 do
    for name in pairs(self.held[i]) do
      if set[name] then
        table.remove(self.held, i)
        break
      end
    end
  end
end

function Reload:hold(batch, names)
  self:forget_held(batch.set)
  if next(names) == nil then return end
  local group = {}
  for name in pairs(names) do
    group[name] = hash_on_disk(batch.files, name)
  end
  self.held[#self.held + 1] = group
end

function Reload:commit(batch)
  local next_live = batch:merged()
  local plan = self.core.plan(Reload.plan(next_live)) -- may raise: then nothing has happened yet
  local loaded, retired = {}, {}
  for _, name in ipairs(sorted_names(batch.set)) do
    local draft, old = batch.drafts[name], self.live[name]
    if draft and not batch.failed[name] then
      loaded[#loaded + 1] = { slot = draft.slot, hash = draft.hash }
    elseif old then
      retired[#retired + 1] = { slot = old.slot }
    end
  end
  self.core.commit(plan, loaded, retired) -- raises before it changes anything, or not at all
  self.live = next_live -- the only commit point
  self.committed = true
  return #loaded, #retired
end

local function reports_of(batch)
  local out, bad = {}, {}
  for _, p in ipairs(batch.problems) do
    bad[p.file], bad[p.unit or p.file] = true, true
    out[#out + 1] = { file = p.file, line = p.line, reason = p.reason, ok = false }
  end
  for _, name in ipairs(sorted_names(batch.set)) do
    if not bad[name] and batch.files[name] then out[#out + 1] = { file = name, reason = "", ok = true } end
  end
  return out
end

function Reload:log_problems(batch)
  for _, p in ipairs(batch.problems) do
    self.core.failed(self.core.slot(p.unit or p.file), p.full)
  end
end

--- Loads what changed.
---@param list table[]    all files: { name =, text =, why = (unreadable) }
---@param options table   check_only, lenient (first load: leave out what fails), only = name
---@return boolean ok     nothing to do, or done
---@return table[] reports  { file =, line =, reason =, ok = }
---@return string summary
function Reload:apply(list, options)
  local files = self:files_by_name(list)
  if options.only and not files[options.only] and not self.live[options.only] then
    return false, { { file = options.only, reason = "no such unit", ok = false } }, "no such unit"
  end
  local batch = self:new_batch(files, options)
  if next(batch.set) == nil then return true, {}, "nothing changed" end
  local ok, reports, summary = self:run(batch, options)
  batch.files, batch.drafts, batch.loading = nil, nil, nil -- units hold the batch: not all texts and the units of then
  return ok, reports, summary
end

function Reload:run(batch, options)
  local files = batch.files
  for _, name in ipairs(sorted_names(batch.set)) do
    if files[name] then batch:load(name) end
  end
  batch:check_clashes()
  for _, name in ipairs(sorted_names(batch.drafts)) do
    batch:selftest(name)
  end
  local n_problems = #batch.problems
  if options.check_only then return n_problems == 0, reports_of(batch), n_problems .. " problems" end
  self:log_problems(batch)
  if n_problems > 0 and not (options.lenient and not self.committed) then
    self:hold(batch, batch.set)
    return false, reports_of(batch), ("nothing is exchanged: %d of %d files have problems"):format(n_problems,
      #sorted_names(batch.set))
  end
  local n_loaded, n_retired = self:commit(batch)
  self:hold(batch, batch.failed)
  return n_problems == 0, reports_of(batch), ("%d loaded, %d removed, %d left out"):format(n_loaded, n_retired, n_problems)
end

return Reload
