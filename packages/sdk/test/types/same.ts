/** True if each of the two types fits where the other is asked for. */
export type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
