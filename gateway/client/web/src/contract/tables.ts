/** Shape of the generated tables of the contract, and types of commands. */

import type { Commands } from '../generated/types.ts'
import type { Schema } from './schemaReader.ts'

/** One type of event, or its last value. */
export interface EventSchema {
  /** CloudEvents type, such as `bgw.document.read.v1`. */
  readonly type: string
  /** Id of the schema of its data. */
  readonly schema: string
  /** Name of the definition of its data. */
  readonly data: string
}

/** One command. */
export interface CommandSchemas {
  /** Name, such as `barrier.open`. */
  readonly name: string
  /** Name of the definition of its arguments. */
  readonly args: string
  /** Name of the definition of its result. */
  readonly result: string
}

/** Definitions of the contract, and the messages that use them. */
export interface ContractSchemas {
  readonly definitions: Readonly<Record<string, Schema>>
  readonly events: readonly EventSchema[]
  readonly lastValues: readonly EventSchema[]
  readonly commands: readonly CommandSchemas[]
}

/** Type of a command: a caller that names it gets its arguments and result checked. */
export class CommandType<N extends keyof Commands = keyof Commands> {
  /** Name of its schemas, such as `barrier.open`. */
  readonly name: N

  constructor(name: N) {
    this.name = name
  }

  /** Verb, the level of its topic. */
  get verb(): string {
    return this.name.slice(this.name.indexOf('.') + 1)
  }
}
