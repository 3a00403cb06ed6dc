/** Why the addon could not be loaded; undefined when it was. */
export const failure: unknown = loading();

function loading(): unknown {
  try {
    require('./platform/native.js');
    return undefined;
  } catch (error) {
    return error;
  }
}
