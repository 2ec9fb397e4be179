/**
 * Members of Linear's types that the published schema has and the simulator does not fill. Clients
 * generated from the schema select most of them. Source: @linear/sdk 98.0.0, read 2026-11-29.
 */
import type { Node } from "./kit/graphql.ts";

/** Everything but issues and comments exists from the start. */
const FOUNDED = "2026-01-01T00:00:00.000Z";

const names = (text: string): readonly string[] => text.split(" ");

/** These are null. */
const NULL: Readonly<Record<string, readonly string[]>> = {
  User: names(
    "archivedAt avatarBackgroundColor avatarUrl calendarHash createdIssueCount description disableReason " +
      "gitHubUserId identityProvider initials inviteHash lastSeen statusEmoji statusLabel statusUntilAt timezone title",
  ),
  Team: names(
    "activeCycle archivedAt autoArchivePeriod autoCloseChildIssues autoCloseParentIssues autoClosePeriod " +
      "autoCloseStateId color currentProgress cycleCalenderUrl cycleCooldownTime cycleDuration cycleStartDay " +
      "cycleIssueAutoAssignCompleted cycleIssueAutoAssignStarted cycleLockToActive defaultIssueEstimate " +
      "defaultIssueState defaultProjectTemplate defaultTemplateForMembers defaultTemplateForMembersId " +
      "defaultTemplateForNonMembers defaultTemplateForNonMembersId draftWorkflowState icon integrationsSettings " +
      "inviteHash issueCount issueEstimationType ledInitiativeCount issueSortOrderDefaultToBottom markedAsDuplicateWorkflowState " +
      "membership mergeWorkflowState mergeableWorkflowState parent progressHistory protectedBy restrictedBy " +
      "restrictedById retiredAt reviewWorkflowState scimGroupName securitySettings setIssueSortOrderOnStateChange " +
      "startWorkflowState timezone triageIssueState triageResponsibility upcomingCycleCount viewerMembership visibility",
  ),
  WorkflowState: names("archivedAt description inheritedFrom"),
  IssueLabel: names(
    "archivedAt creator description groupType inheritedFrom lastAppliedAt parent retiredAt retiredBy team",
  ),
  Issue: names(
    "activitySummary addedToCycleAt addedToProjectAt addedToTeamAt aiAnalysis asksExternalUserRequester asksRequester " +
      "autoArchivedAt autoClosedAt boardOrder botActor customerTicketCount cycle delegate descriptionState " +
      "documentContent externalUserCreator favorite integrationSourceType lastAppliedTemplate parent " +
      "prioritySortOrder project projectMilestone recurringIssueTemplate slaBreachesAt slaHighRiskAt slaMediumRiskAt " +
      "slaStartedAt slaType snoozedBy snoozedUntilAt sortOrder sourceComment startedAt startedTriageAt " +
      "subIssueSortOrder suggestionsGeneratedAt summary trashed triagedAt",
  ),
  Comment: names(
    "agentSession archivedAt bodyData botActor documentContent documentContentId editedAt externalThread externalUser " +
      "initiative initiativeId initiativeUpdate initiativeUpdateId onBehalfOf parent parentId post project projectId " +
      "projectUpdate projectUpdateId quotedText resolvedAt resolvingComment resolvingCommentId resolvingUser threadSummary",
  ),
};

/** These are false. */
const FALSE: Readonly<Record<string, readonly string[]>> = {
  User: names("app canAccessAnyPublicTeam guest hasGitHubCodeAccess isMe owner supportsAgentSessions"),
  Team: names(
    "agentAutomationEnabled aiDiscussionSummariesEnabled aiThreadSummariesEnabled allMembersCanJoin " +
      "codingAgentEnabled cyclesEnabled groupIssueHistory inheritIssueEstimation inheritProjectStatuses " +
      "inheritSlackAutoCreateProjectChannel inheritWorkflowStatuses issueEstimationAllowZero issueEstimationExtended " +
      "initiativesEnabled issueOrderingNoPriorityFirst joinByDefault private requirePriorityToLeaveTriage scimManaged " +
      "slackAutoCreateProjectChannel slackIssueComments slackIssueStatuses slackNewIssue triageEnabled viewerCanJoin " +
      "viewerCanLeave",
  ),
  IssueLabel: names("isGroup"),
  Issue: names("inheritsSharedAccess trusted"),
  Comment: names("hideInLinear isArtificialAgentSessionRoot"),
};

/** These are empty lists. */
const EMPTY: Readonly<Record<string, readonly string[]>> = {
  User: names("feedFacets"),
  Team: names("ancestors children facets posts"),
  Issue: names("previousIdentifiers reactions reactionData syncedWith"),
  Comment: names("createdIssues reactions reactionData spawnedAgentSessions syncedWith"),
};

const filled = (type: string, all: Readonly<Record<string, readonly string[]>>, value: Node): [string, Node][] =>
  (all[type] ?? []).map((name) => [name, value]);

/** Returns the members of a type that are not filled, under the values that they have. */
export const unfilled = (type: string): { readonly [name: string]: Node } => ({
  __typename: type,
  createdAt: FOUNDED,
  updatedAt: FOUNDED,
  ...Object.fromEntries([...filled(type, NULL, null), ...filled(type, FALSE, false), ...filled(type, EMPTY, [])]),
});
