-- Writes the comings and goings of devices to the log.
--
-- A hook may wait: dev:read("/3/0/0") asks the device, sleep(0.5) lets time pass, and the host goes on meanwhile. A
-- failed operation returns nil and an error; err.code is the device's answer ("4.04") or a word such as "ETIMEOUT".
return hooks {
  ["device.registered"] = function(dev)
    log.info("%s registered from %s, LwM2M %s, lifetime %d s", dev:endpoint(), dev:address(), dev:version(), dev:lifetime())
  end,
  ["device.deregistered"] = function(dev)
    log.info("%s signed off", dev:endpoint() or "a device")
  end,
  ["device.expired"] = function(dev)
    log.warn("%s was not heard of within its lifetime", dev:endpoint() or "a device")
  end,
}
