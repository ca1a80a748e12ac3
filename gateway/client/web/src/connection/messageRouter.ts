/** Messages from the broker, each passed to the part of a workstation that it concerns. */

import type { HeldClaim } from '../commands/claims.ts'
import type { CommandSender } from '../commands/commandSender.ts'
import type { PreviewStream } from '../commands/previews.ts'
import { SIGNATURE_PROPERTY } from '../contract/constants.ts'
import { deviceTopic, levelsOf, type DeviceTopic, type Position } from '../contract/topics.ts'
import type { EventAssembler } from '../events/eventAssembler.ts'
import type { DiscardCounts } from '../models.ts'
import type { SiteView } from '../site/siteView.ts'
import { userProperty, type InboundMessage } from './inbound.ts'

/** Parts of a workstation that take messages. */
export interface Recipients {
  readonly view: SiteView
  readonly assembler: EventAssembler
  readonly commands: CommandSender
  readonly heldClaims: ReadonlyMap<Position, HeldClaim>
  readonly previews: ReadonlyMap<Position, PreviewStream>
  readonly discarded: DiscardCounts
}

/** Router of the messages of one site, by their topics. */
export class MessageRouter {
  readonly #site: string
  readonly #to: Recipients

  constructor(site: string, recipients: Recipients) {
    this.#site = site
    this.#to = recipients
  }

  /** Pass one message on; returns true if it proves a gateway of the site. Rejects for an unreadable one. */
  async onMessage(message: InboundMessage): Promise<boolean> {
    const levels = levelsOf(message.topic, this.#site)
    if (levels === undefined) return false
    const [lane, gateway, kind] = levels
    if (lane === '_gw' && levels.length === 3 && gateway !== undefined) {
      if (kind === 'state') return await this.#onGatewayState(gateway, message)
      if (kind === 'fresh') await this.#to.view.onToken(gateway, message)
      return false
    }
    const where = deviceTopic(levels)
    if (where !== undefined) await this.#onDeviceMessage(where, message)
    return false
  }

  async #onGatewayState(gateway: string, message: InboundMessage): Promise<boolean> {
    const isCurrent = await this.#to.view.onGateway(gateway, message)
    for (const session of this.#to.view.state.endedSessions()) this.#to.commands.onGatewayLost(session)
    return isCurrent
  }

  async #onDeviceMessage(where: DeviceTopic, message: InboundMessage): Promise<void> {
    if (!(await this.#to.view.accepts(where, message))) return
    const { view, assembler, commands } = this.#to
    const { position, levels } = where
    const { payload } = message
    const [first, second] = levels
    switch (`${where.kind} ${levels.length}`) {
      case 'state 0':
        return view.state.onDeviceState(position, payload)
      case 'desc 0':
        return view.state.onDescription(position, payload)
      case 'claim 0':
        return this.#onClaim(position, payload)
      case 'now 1':
        return view.state.onLastValue(position, first ?? '', payload)
      case 'rsp 1':
        if (first === commands.station) commands.onAnswer(payload, view.isVerified)
        return
      case 'preview 1':
        if (first === commands.station && !message.retain) this.#to.previews.get(position)?.onFrame(payload)
        return
      case 'blob 2':
        return await assembler.onImage(first ?? '', second ?? '', payload)
      case 'evt 1':
        return await this.#onEvent(position, message)
    }
  }

  #onClaim(position: Position, payload: Uint8Array): void {
    const claim = this.#to.view.state.onClaim(position, payload)
    if (claim !== undefined) this.#to.heldClaims.get(position)?.onHolderChanged(claim.holder)
  }

  async #onEvent(position: Position, message: InboundMessage): Promise<void> {
    if (message.retain) {
      // An event is never retained by a gateway: its age is unknown.
      this.#to.discarded.expired += 1
      return
    }
    // Its life began before it was sent: what waited on its way, such as for a frozen page, is older than it looks.
    // A gateway limits the life of every event; Mosquitto leaves out a remaining 0.
    const deadlineS = message.sentAfterS + (message.expiresS ?? 0)
    const jws = userProperty(message, SIGNATURE_PROPERTY)
    await this.#to.assembler.onEvent(position, message.payload, deadlineS, jws)
  }
}
