/**
 * Workstations driven over standard input and output, a line of JSON each:
 * `{"id": 1, "desk": 1, "do": "open", ...}` in, `{"id": 1, "result": ...}` or `{"id": 1, "error": ...}` out.
 */

import { createInterface } from 'node:readline'
import { DeskDriver, errorAsJson, type Request } from './deskDriver.ts'

const desks = new Map<unknown, DeskDriver>()

async function answer(line: string): Promise<void> {
  const request = JSON.parse(line) as Request & { id: number; desk: number }
  const desk = desks.get(request.desk) ?? new DeskDriver()
  desks.set(request.desk, desk)
  let said: object
  try {
    said = { result: (await desk.do(request)) ?? null }
  } catch (error) {
    said = { error: errorAsJson(error) }
  }
  process.stdout.write(`${JSON.stringify({ id: request.id, ...said })}\n`)
}

const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => void answer(line))
lines.on('close', () => process.exit(0))
