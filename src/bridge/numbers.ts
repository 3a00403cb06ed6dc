/** Kinds of events. */
export const EVENT_CALL = 1;
export const EVENT_RETURN = 2;
export const EVENT_EXCEPTION = 3;
export const EVENT_FAILURE = 4;
export const EVENT_DONE = 5;
export const EVENT_ABANDONED = 6;
export const EVENT_RESOLVE = 7;
export const EVENT_WORDS = 6;

/** Kinds of jobs. */
export const JOB_RETURN = 1;
export const JOB_EXCEPTION = 2;
export const JOB_CALL = 3;
export const JOB_CANCEL = 4;
export const JOB_WORDS = 16;
