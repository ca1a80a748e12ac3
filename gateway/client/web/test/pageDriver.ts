/** Workstations of a page, driven by `page.evaluate("desk(...)")`: requests and answers are JSON texts. */

import { DeskDriver, errorAsJson, type Request } from './deskDriver.ts'

const desks = new Map<unknown, DeskDriver>()

async function desk(line: string): Promise<string> {
  const request = JSON.parse(line) as Request & { desk: number }
  const driver = desks.get(request.desk) ?? new DeskDriver()
  desks.set(request.desk, driver)
  try {
    return JSON.stringify({ result: (await driver.do(request)) ?? null })
  } catch (error) {
    return JSON.stringify({ error: errorAsJson(error) })
  }
}

Object.assign(globalThis, { desk })
