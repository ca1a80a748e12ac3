/** Zoom and pan of a page, the same for all lights. Pure. */

/** Scale, and shift of the page in parts of its frame; the page's centre is the origin. */
export interface Zoom {
  readonly scale: number
  readonly x: number
  readonly y: number
}

export const MAX_ZOOM = 8

/** Return the zoom changed by a factor, so that one point of the frame (0 to 1) stays where it is. */
export function zoomed(zoom: Zoom, factor: number, atX: number, atY: number): Zoom {
  const scale = Math.min(MAX_ZOOM, Math.max(1, zoom.scale * factor))
  const grown = scale / zoom.scale
  const [offX, offY] = [atX - 0.5, atY - 0.5]
  return clampPan({ scale, x: offX - (offX - zoom.x) * grown, y: offY - (offY - zoom.y) * grown })
}

/** Return the zoom with a shift that leaves no empty border. */
export function clampPan({ scale, x, y }: Zoom): Zoom {
  const most = (scale - 1) / 2
  const clamp = (value: number) => Math.min(most, Math.max(-most, value))
  return { scale, x: clamp(x), y: clamp(y) }
}
