-- moonwire.lua: the configuration of `moonwire serve`, which reads the one in its working directory.
-- Every key has a default, shown here; leave out what you do not change. Options of the command win over the file.
-- It is data: no function can be called here. An unknown key is an error. `moonwire check moonwire.lua` checks it.
return {
  -- Addresses, up to 8. Loopback by default: plain CoAP has no security. Only numbers, no names; port 5783 if left out.
  -- For all addresses: { "0.0.0.0:5783", "[::]:5783" }. Port 0 lets the kernel choose.
  listen = { "127.0.0.1:5783", "[::1]:5783" },

  -- One SQLite file, made if it is not there. Its folder must be on a local disk.
  store = "moonwire.db",

  -- Folders of scripts and of object definitions. Default: scripts and ddf in the working directory; where such a
  -- folder is missing, the shipped one.
  -- scripts = "scripts",
  -- ddf = "ddf",

  -- Start even if some scripts fail; those are left out and named in the log.
  lenient = false,
  -- Load scripts again when a file changes. Without it: SIGHUP.
  watch = true,

  -- error, warn, info, debug or trace.
  log_level = "info",

  -- A registration ends so many seconds after its lifetime (93 s is CoAP's MAX_TRANSMIT_WAIT).
  lifetime_grace = 93,
  -- Lifetime of a device that registers without saying one, in seconds.
  default_lifetime = 86400,

  -- More devices are refused with 5.03.
  max_devices = 2000000,
  max_observations_per_device = 128,

  -- First wait before a request is sent again (RFC 7252, ACK_TIMEOUT).
  ack_timeout_ms = 2000,
  -- Memory for stored answers to repeated requests, about 56 bytes each. When it is full, the oldest are forgotten.
  dedup_bytes = 67108864,

  -- Group commit: rows that nobody waits for stay in memory so long at most, or until there are so many of them.
  commit_ms = 5,
  commit_rows = 1000,
}
