/** Images that an event lists. */

/**
 * Return the SHA-256 of every image that an event's data list, by its role.
 *
 * The data may be of a newer version, or not of a gateway: what has no such list lists nothing.
 */
export function attachmentsOf(data: unknown): ReadonlyMap<string, unknown> {
  const listed = field(data, 'attachments')
  const found = new Map<string, unknown>()
  if (!Array.isArray(listed)) return found
  for (const each of listed) {
    const role = field(each, 'role')
    if (typeof role === 'string') found.set(role, field(each, 'sha256'))
  }
  return found
}

function field(value: unknown, name: string): unknown {
  return value !== null && typeof value === 'object' && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined
}
