/* main/faces.c: the faces that are served, in the order in which they are asked whose path it is. */
#include "api/controlroom/face.h"
#include "api/keyturn/face.h"
#include "api/passwordsafe/face.h"
#include "main/programs.h"

const struct face_rules *const all_faces[] = {&passwordsafe_face, &keyturn_face, &pages_face, &controlroom_face, NULL};
