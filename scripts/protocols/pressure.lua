-- Pressure sensors (IPSO object 3323). The unit that a device uses is its resource 5701; Pascal is the usual one.
return protocol {
  object = 3323,
  resources = {
    [5700] = {
      observe = { pmin = 30, pmax = 600 },
      measurement = { type = "moonwire_Pressure", series = "moonwire_Pressure.p", unit = "Pa" },
    },
  },
}
