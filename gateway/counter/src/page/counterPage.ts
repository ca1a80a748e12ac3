/** The page: settings, the officer's lock, and the lane. */

import { StationKey, Workstation, type ConnectionProblem } from 'borderpost-client'

import '../element/laneElement.ts'
import { DEFAULT_DEADLINES } from '../lane/deadlines.ts'
import type { BorderpostLane, LockDetail } from '../element/laneElement.ts'
import { make, setText } from '../views/dom.ts'
import { chooseLanguage, LANGUAGES, wordsOf, type Language, type Words } from '../words/words.ts'
import { remember, remembered } from './remembered.ts'
import { loadSettings, type CounterSettings } from './settings.ts'
import { SignIn, type Credentials, type SignInReason } from './signIn.ts'

/** Time for which the broker keeps what is sent during a short cut, in seconds. */
const SESSION_S = 30

/** One counter in one page. */
class CounterPage {
  readonly #settings: CounterSettings
  readonly #main: HTMLElement
  readonly #languages: HTMLSelectElement
  #language: Language
  #signIn: SignIn | undefined
  #reason: SignInReason = 'first'
  #lane: BorderpostLane | undefined
  #workstation: Workstation | undefined

  constructor(settings: CounterSettings, main: HTMLElement, header: HTMLElement) {
    this.#settings = settings
    this.#main = main
    const { language } = remembered()
    this.#language = chooseLanguage([...(language === undefined ? [] : [language]), ...navigator.languages])
    const options = Object.entries(LANGUAGES).map(([code, name]) => make('option', { value: code, lang: code }, name))
    this.#languages = make('select', { id: 'language', autocomplete: 'off' }, ...options)
    this.#languages.value = this.#language
    this.#languages.addEventListener('change', () => this.#setLanguage(chooseLanguage([this.#languages.value])))
    header.append(this.#languages)
    this.#setLanguage(this.#language)
    this.#main.addEventListener('borderpost-lock', (event) => {
      void this.#lock((event as CustomEvent<LockDetail>).detail.byTime)
    })
    this.#showSignIn('first')
  }

  get #words(): Words {
    return wordsOf(this.#language)
  }

  #setLanguage(language: Language): void {
    this.#language = language
    remember({ language })
    document.documentElement.lang = language
    document.title = `${this.#words.counter} · ${this.#settings.site}`
    this.#languages.setAttribute('aria-label', this.#words.language)
    setText(heading(), `${this.#words.counter} · ${this.#settings.site}`)
    if (this.#lane !== undefined) this.#lane.setAttribute('language', language)
    else if (this.#signIn !== undefined) this.#showSignIn(this.#reason)
  }

  #showSignIn(reason: SignInReason): void {
    this.#reason = reason
    this.#signIn = new SignIn(this.#words, this.#settings, reason, (entered) => void this.#begin(entered))
    this.#main.replaceChildren(this.#signIn.root)
    this.#signIn.focus()
  }

  async #begin(entered: Credentials): Promise<void> {
    const signIn = this.#signIn
    if (signIn === undefined || this.#workstation !== undefined) return
    remember({ lane: entered.lane, name: entered.name })
    signIn.wait(this.#words.connecting)
    const { site, broker, lanes, training, sign, verify } = this.#settings
    const positions = lanes[entered.lane] ?? []
    const workstation = await Workstation.start(broker, {
      site,
      positions,
      username: entered.name,
      training,
      clientId: `counter-${crypto.randomUUID()}`,
      sessionS: SESSION_S,
      onProblem: (problem) => this.#onProblem(problem),
      ...(entered.password === '' ? {} : { password: entered.password }),
      ...(sign ? { signingKey: await StationKey.kept(entered.name) } : {}),
      ...(Object.keys(verify).length === 0 ? {} : { verify }),
    })
    this.#workstation = workstation
    await workstation.connectedEvent.wait()
    if (this.#workstation !== workstation) return
    this.#signIn = undefined
    this.#lane = make('borderpost-lane', { language: this.#language })
    this.#main.replaceChildren(this.#lane)
    this.#lane.begin(workstation, {
      lane: entered.lane,
      positions,
      training,
      wipeAfterS: this.#settings.wipe_after_s,
      lockAfterS: this.#settings.lock_after_s,
      wipeAfterLossS: DEFAULT_DEADLINES.wipeAfterLossS,
    })
  }

  #onProblem({ kind }: ConnectionProblem): void {
    const texts = {
      refused: this.#words.refused,
      unreachable: this.#words.unreachable,
      no_gateway: this.#words.noGateway,
      displaced: this.#words.displaced,
    }
    if (kind === 'unreachable' && this.#signIn !== undefined) {
      this.#signIn.wait(texts.unreachable)
    } else if (kind === 'refused' || kind === 'displaced') {
      void this.#close().then(() => {
        if (this.#signIn === undefined) this.#showSignIn('locked')
        this.#signIn?.fail(texts[kind])
        this.#signIn?.focus()
      })
    }
  }

  /** Wipe, release the lane, forget the password, and wait for the officer. */
  async #lock(byTime: boolean): Promise<void> {
    if (this.#lane === undefined) return
    const closed = this.#close()
    this.#showSignIn(byTime ? 'locked_by_time' : 'locked')
    await closed
  }

  async #close(): Promise<void> {
    const [lane, workstation] = [this.#lane, this.#workstation]
    this.#lane = this.#workstation = undefined
    await lane?.end()
    await workstation?.close()
  }
}

function heading(): HTMLElement {
  return document.getElementById('title') ?? document.body
}

const main = document.getElementById('main')
const header = document.getElementById('header')
if (main !== null && header !== null) {
  loadSettings().then(
    (settings) => new CounterPage(settings, main, header),
    (error: unknown) => {
      const words = wordsOf(chooseLanguage(navigator.languages))
      main.replaceChildren(make('p', { role: 'alert' }, words.settingsMissing), make('p', {}, String(error)))
    },
  )
}
