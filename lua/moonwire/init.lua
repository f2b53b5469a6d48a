--- Moonwire as a Lua library: `local moonwire = require "moonwire"`.
---
---   local host = assert(moonwire.host { store = "my.db" })
---   host:on("value.received", function(event) ... end)
---   host:run()              -- or poll host:fd() for host:timeout_ms(), then host:step()
---
--- The functions are those of src/moonwire.h under the same names. Nothing is printed, no signal handler is set, no
--- global is written. Functions that fail return `nil, message, code`; wrong argument types raise. Callbacks run inside
--- step and run; they may start operations, and must neither run nor close the host. When a callback raises, the step
--- returns nil, message, "ESCRIPT", and the host goes on with the next one. Of several in a step, the first is told; the
--- other listeners of an event hear of it even so.
local core = require "moonwire.core"

local _, file = ... -- require tells where this file is

---@alias moonwire.Path string   "/3303/0/5700"
---@alias moonwire.Code string   a word of src/moonwire.h such as "ENOTFOUND", or the device's CoAP code, "4.04"
---@alias moonwire.Value integer|number|boolean|string|{ oid: integer, iid: integer }
---@alias moonwire.Level "error"|"warn"|"info"|"debug"|"trace"

--- Every key has a default, and every number is an integer from 1 to 2^32-1. Unknown keys are not noticed (`moonwire
--- check` notices them in a configuration file).
---@class moonwire.Config
---@field listen? string|string[]      "127.0.0.1:5783" and "[::1]:5783"; port 0 = any
---@field store? string                "moonwire.db"
---@field ddf? string                  folder of object definitions; nil = none
---@field log? fun(level: moonwire.Level, group: string, text: string)   nil = silent
---@field log_level? moonwire.Level    "info"
---@field lifetime_grace? integer      seconds, 93
---@field default_lifetime? integer    seconds, 86400
---@field max_devices? integer         2000000
---@field max_observations_per_device? integer  128
---@field ack_timeout_ms? integer      2000
---@field dedup_bytes? integer         64 MiB
---@field commit_ms? integer           5
---@field commit_rows? integer         1000
---@field scripts? string              folder of units; nil = no scripts
---@field lua_dir? string              folder that holds moonwire/script; needed with `scripts`: moonwire.lua_dir
---@field lenient? boolean             start without units that fail
---@field watch? boolean               reload units when files change; true

---@class moonwire.Device
---@field endpoint string
---@field id integer             number in the store
---@field registered boolean     the fields below are there only if it is
---@field location? string       second segment of /rd/<location>
---@field address? string
---@field version? string        "1.1"
---@field binding? string        letters of UTSNMH
---@field queue_mode? boolean
---@field lifetime? integer      seconds; 0 = infinite
---@field registered_ms? integer wall time
---@field heard_ms? integer      wall time
---@field expires_ms? integer    wall time; nil = never
---@field observations? integer  how many
---@field links? string          registration payload as received

---@class moonwire.Event
---@field name string             "device.registered", "device.updated", "device.deregistered", "device.expired",
---                               "value.received", "feed.committed"
---@field received_ms integer     wall time
---@field endpoint? string        all but feed.committed
---@field objects_changed? boolean  device.updated
---@field path? moonwire.Path     value.received: what was read or observed
---@field source? "read"|"observe"|"notify"|"send"   value.received
---@field values? table<moonwire.Path, moonwire.Value>   value.received
---@field errors? table<moonwire.Path, string>   value.received: why a value is not in `values`, when there are such: an
---                               Unsigned above 2^63-1 has no Lua integer
---@field last_seq? integer       feed.committed: items up to here are on disk

---@class moonwire.Unit
---@field name string
---@field generation integer      0 = none is in use
---@field hash? string
---@field loaded_ms integer
---@field last_error? string
---@field errors integer

--- Called once: values by path, or nil, message and code ("ETYPE": a value above 2^63-1, which has no Lua integer).
---@alias moonwire.Done fun(values: table<moonwire.Path, moonwire.Value>?, message: string?, code: moonwire.Code?)

--- Starts an operation; gives its id, for cancel, or nil, message and code, and then `done` is never called.
---@alias moonwire.Operation fun(self, endpoint: string, path: string, done: moonwire.Done): integer?, string?, string?
---@alias moonwire.Way "reset"|"request"   how an observation ends: passive, or (default) by asking the device
--- One call per file of a reload; the last call has no file.
---@alias moonwire.Report fun(file: string?, line: integer, reason: string, ok: boolean)

--- The feed's items; durable with the next group commit. time_ms is wall time, and now if it is left out.
---@class moonwire.Measurement
---@field endpoint string
---@field type string
---@field series string
---@field value number        finite
---@field unit? string
---@field time_ms? integer
---@field path? moonwire.Path

---@class moonwire.FeedEvent
---@field endpoint string
---@field type string
---@field text string
---@field time_ms? integer
---@field path? moonwire.Path

---@class moonwire.Alarm
---@field endpoint string
---@field type string
---@field severity? "WARNING"|"MINOR"|"MAJOR"|"CRITICAL"   needed unless status is "CLEARED"
---@field status? "ACTIVE"|"ACKNOWLEDGED"|"CLEARED"        "ACTIVE"
---@field text string
---@field time_ms? integer
---@field path? moonwire.Path

--- An event's name; "*" = all events. A listener of value.received may return how many feed items it put: the ACK of a
--- confirmable notification then waits until they are on disk. The numbers of all listeners are added up.
---@alias moonwire.EventName "*"|"device.registered"|"device.updated"|"device.deregistered"|"device.expired"
---|"value.received"|"feed.committed"

---@class moonwire.Host
---@field fd fun(self): integer            becomes readable when step has work
---@field timeout_ms fun(self): integer    until step must be called even so; -1 = no limit
---@field step fun(self): true?, string?, string?   does what is due, without waiting
---@field run fun(self): true?, string?, string?    until stop
---@field stop fun(self)                   ends run soon
---@field close fun(self)                  open operations are called back with "ECANCELED"
---@field listen_addresses fun(self): string[]
---@field stats fun(self): table<string, integer>
---@field log_level fun(self, group: string, level: moonwire.Level): true?, string?, moonwire.Code?
---@field on fun(self, name: moonwire.EventName, fn: fun(event: moonwire.Event): integer?): integer   gives an id
---@field off fun(self, id: integer): boolean   whether there was such a listener
---@field device fun(self, endpoint: string): moonwire.Device?, string?, moonwire.Code?
---@field devices fun(self): fun(): moonwire.Device?   for device in host:devices() do: all that were ever seen
---@field links fun(self, endpoint: string): { oid: integer, iid: integer? }[]?, string?, moonwire.Code?
---@field is_observed fun(self, endpoint: string, path: string): boolean?, string?, moonwire.Code?   of exactly this path
---@field put_measurement fun(self, item: moonwire.Measurement): true?, string?, moonwire.Code?
---@field put_event fun(self, item: moonwire.FeedEvent): true?, string?, moonwire.Code?
---@field put_alarm fun(self, item: moonwire.Alarm): true?, string?, moonwire.Code?
---@field read moonwire.Operation
---@field observe moonwire.Operation
---@field cancel_observe fun(self, endpoint: string, path: string, way: moonwire.Way?, done: moonwire.Done): integer?
---@field write_attributes fun(self, endpoint: string, path: string, attributes: string, done: moonwire.Done): integer?
---@field cancel fun(self, operation: integer): true?, string?, moonwire.Code?
---@field scripts fun(self): moonwire.Unit[]
---@field reload fun(self, unit: string?, report: moonwire.Report): true?, string?, moonwire.Code?

--- Looks into a store, beside a running host or without one.
---@class moonwire.Reader
---@field devices fun(self, query: moonwire.DeviceQuery?): table[]?, string?, moonwire.Code?
---@field feed fun(self, query: moonwire.FeedQuery?): table[]?, string?, moonwire.Code?
---@field alarms fun(self, query: moonwire.AlarmQuery?): table[]?, string?, moonwire.Code?
---@field close fun(self)

---@class moonwire.DeviceQuery
---@field endpoint? string
---@field after? integer      only devices with a higher id; the array is in the order of ids
---@field limit? integer      1000

---@class moonwire.FeedQuery
---@field after? integer      only items with a higher number
---@field newest? boolean     newest first; `after` does not count then
---@field kind? "measurement"|"event"|"alarm"|"inventory"|"lifecycle"
---@field endpoint? string
---@field type? string
---@field from_ms? integer
---@field to_ms? integer      exclusive
---@field limit? integer      1000

---@class moonwire.AlarmQuery
---@field endpoint? string
---@field cleared? boolean    also those that are cleared
---@field limit? integer

---@class moonwire
---@field version string
---@field host fun(config: moonwire.Config): moonwire.Host?, string?, moonwire.Code?
---@field reader fun(path: string): moonwire.Reader?, string?, moonwire.Code?
---@field lua_dir string?     folder of this library, for the key `lua_dir`
return {
  version = core.version,
  host = core.host,
  reader = core.reader,
  lua_dir = file and file:match("^(.*)/moonwire/init%.lua$"),
}
