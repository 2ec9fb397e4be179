/** Simulated OAuth services that misbehave on request and keep a ledger. */
export { approveConsent, type Consent } from "./approve.ts";
export type {
  ApiCall,
  Ledger,
  LedgerGrant,
  LedgerRefreshToken,
  LedgerRequest,
  LedgerToken,
  RevokedBy,
  RevokedFamily,
  TokenStatus,
} from "./engine/ledger.ts";
export { MODES, simulatedClientId, type ModeName } from "./engine/modes.ts";
export type { ChangedContent, ChangedObject } from "./engine/objects.ts";
export type { GrantFilter } from "./engine/state.ts";
export type { Capabilities, Capability, HostMatch, Kind } from "./engine/types.ts";
export {
  clientSecretOf,
  type ApiState,
  type ClientRegistration,
  type Clock,
  type Lifetimes,
  type ModeSwitch,
  type Wait,
} from "./engine/world.ts";
export { profiles, type Profile } from "./profiles.ts";
export { startSimulator, type Simulator, type SimulatorOptions } from "./simulator.ts";
