/** The types of @mixmark-io/domino declare a module of another name. */
declare module "@mixmark-io/domino" {
  const domino: { createDocument(): unknown };
  export default domino;
}
