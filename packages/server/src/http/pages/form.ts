/** The shared parts of forms: their type, their hidden fields and the reading of values. */
import { html, type Html } from "./html.ts";

/** Longest text that a page reads from a field. */
const TEXT_LENGTH = 1_024;

/** A route that receives a form. */
export interface FormRoute {
  Body: Record<string, unknown> | undefined;
}

/** Returns the text of a field, or '' when it is absent or repeated. */
export function textOf(value: unknown, max_length = TEXT_LENGTH): string {
  return typeof value === "string" ? value.slice(0, max_length) : "";
}

export function hiddenField(name: string, value: string): Html {
  return html`<input type="hidden" name="${name}" value="${value}" />`;
}

/** The field that proves one of our pages sent the form. */
export function tokenField(form_token: string): Html {
  return hiddenField("form_token", form_token);
}
