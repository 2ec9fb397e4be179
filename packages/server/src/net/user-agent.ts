/** Sent with every request to a provider or a webhook target. Some providers refuse requests without one. */
export const USER_AGENT = "Holdfast/0.1 (+connectors)";
