/**
 * Microsoft Teams. https://learn.microsoft.com/en-us/graph/permissions-reference
 * (checked 2026-11-23)
 *
 * A set of scopes in the Microsoft family, at Microsoft Graph. The tenant defaults to work and
 * school accounts, since only they can connect.
 */
import { defineProvider } from "../provider.ts";
import { microsoftFamily, tenant } from "./families/microsoft.ts";

export const microsoft_teams = defineProvider({
  ...microsoftFamily,
  id: "microsoft_teams",
  display_name: "Microsoft Teams",
  description: "Teams, channels, chats and meetings through Microsoft Graph.",
  traps: [...microsoftFamily.traps, "Only work and school accounts can connect."],
  default_scopes: ["Team.ReadBasic.All", "Channel.ReadBasic.All", "ChannelMessage.Send", "Chat.ReadWrite"],
  common_scopes: [
    { scope: "Team.ReadBasic.All", meaning: "names of joined teams" },
    { scope: "Channel.ReadBasic.All", meaning: "channel names" },
    { scope: "ChannelMessage.Read.All", meaning: "read channel messages (admin consent)" },
    { scope: "ChannelMessage.Send", meaning: "post channel messages" },
    { scope: "Chat.Read", meaning: "read chats" },
    { scope: "Chat.ReadWrite", meaning: "read and send chats" },
    { scope: "ChatMessage.Send", meaning: "send chat messages" },
    { scope: "OnlineMeetings.ReadWrite", meaning: "manage meetings" },
    { scope: "TeamMember.Read.All", meaning: "members of teams (admin consent)" },
    { scope: "Presence.Read.All", meaning: "presence of others" },
  ],
  config_fields: [tenant("organizations")],
});
