/** Numbers and names of the contract that no schema has. */

/** Longest life of a command, in seconds. */
export const EXPIRY_LIMIT_S = 5
/** Life of a picture of a preview, in seconds. */
export const PREVIEW_EXPIRY_S = 2
/** Life of a token of the gateway, in seconds. */
export const TOKEN_LIFE_S = 6
/** MQTT 5 user property that carries a signature. */
export const SIGNATURE_PROPERTY = 'jws'
/** User property that carries the session and number of a retained message. */
export const REVISION_PROPERTY = 'revision'
/** User property of a gateway's birth and last will: random name of the connection that they belong to. */
export const CONNECTION_PROPERTY = 'connection'
/** Beginning of the ids of all schemas. */
export const SCHEMA_BASE = 'urn:bgw:schema:'
