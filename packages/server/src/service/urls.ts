/**
 * All addresses that this server gives to users and providers. Built from the configured public URL
 * only.
 */
import type { Catalog } from "../providers/index.ts";

export interface Urls {
  readonly public_url: string;
  /** The page that asks the user to sign in, and whose button starts a new consent. */
  readonly reconnect: (app_id: string, integration_type: string) => string;
  readonly connect: (flow_id: string) => string;
  readonly go: (flow_id: string) => string;
  readonly result: (flow_id: string) => string;
  readonly setup: (token: string) => string;
  readonly invitation: (token: string) => string;
  /**
   * The redirect URI (RFC 6749 §3.1.2): one per vendor (RFC 9700 §4.4), or without vendor the
   * shared one.
   */
  readonly redirect: (vendor: string | null) => string;
}

export function createUrls(public_url: string): Urls {
  return {
    public_url,
    reconnect: (app_id, integration_type) =>
      `${public_url}/apps/${encodeURIComponent(app_id)}/connect/${encodeURIComponent(integration_type)}`,
    connect: (flow_id) => `${public_url}/connect/${flow_id}`,
    go: (flow_id) => `${public_url}/connect/${flow_id}/go`,
    result: (flow_id) => `${public_url}/connect/${flow_id}/result`,
    setup: (token) => `${public_url}/setup/${token}`,
    invitation: (token) => `${public_url}/invitations/${token}`,
    redirect: (vendor) => `${public_url}/api/external-auth/callback${vendor === null ? "" : `/${vendor}`}`,
  };
}

/** Returns the redirect URI to register at the provider: the vendor's own, or the shared one. */
export function redirectUriOf(
  { urls, catalog }: { readonly urls: Urls; readonly catalog: Catalog },
  { integration_type, shared_callback }: { readonly integration_type: string; readonly shared_callback: boolean },
): string {
  return urls.redirect(shared_callback ? null : (catalog.get(integration_type)?.vendor ?? null));
}
