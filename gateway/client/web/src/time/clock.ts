/** Clock of deadlines: seconds that also pass while the machine sleeps. */

const MAX_DRIFT_S = 1

let lastRunning = 0
let lastWall = 0
let sleptS = 0

/**
 * Return the time in seconds since an unknown moment; it never goes back.
 *
 * `performance.now()` stands still while some machines sleep. A wall clock that is ahead by more than a second
 * since the last call is taken for sleep: a clock that was set forward makes data look older than they are,
 * never fresher.
 */
export function nowS(): number {
  const running = performance.now() / 1000
  const wall = Date.now() / 1000
  if (lastWall !== 0) {
    const ahead = wall - lastWall - (running - lastRunning)
    if (ahead > MAX_DRIFT_S) sleptS += ahead
  }
  lastRunning = running
  lastWall = wall
  return running + sleptS
}
