/** What service/accounts/accounts.ts and the library agree on, apart from both, so that the library is loaded only when needed. */

/** Where the library looks for the client's address. Set by us on every call, never taken from a request. */
export const ADDRESS_HEADER = "x-holdfast-address";
/** Characters. The most, since hashing takes longer for longer ones. */
export const PASSWORD_LENGTH = { least: 10, most: 128 };
