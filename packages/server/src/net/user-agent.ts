/** Sent with every outbound request. Some providers reject requests without one. */
export const USER_AGENT = "Holdfast/0.1 (+connectors)";
