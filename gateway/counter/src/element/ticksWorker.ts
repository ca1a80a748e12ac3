/** Worker of `ticks.ts`: a message every second. */

setInterval(() => postMessage(0), 1000)

export {}
