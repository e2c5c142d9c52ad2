#version 330
// Lights one sample. Direct light and ambient light leave apart, so that the next pass can dim
// the ambient one in corners.
in vec3 world;
in vec3 world_normal;
in vec3 albedo;  // linear
in vec2 surface;
in vec3 shadow_place;

uniform vec3 eye;
uniform vec3 key_direction;  // towards the light
uniform vec3 key_color;
uniform vec3 fill_direction;
uniform vec3 fill_color;
uniform vec3 sky;     // ambient light from above
uniform vec3 around;  // ... from the walls
uniform vec3 ground;  // ... from the floor
uniform float penumbra;  // radius in shadow map coordinates
uniform int supersample;
uniform sampler2DShadow shadow_map;

layout(location = 0) out vec4 direct;
layout(location = 1) out vec4 ambient;

const int TAPS = 6;

float lit_share(vec3 n) {
    vec3 p = shadow_place;
    if (any(lessThan(p.xy, vec2(0.0))) || any(greaterThan(p.xy, vec2(1.0)))) return 1.0;
    p.z = min(p.z, 1.0);  // walls lie beyond the map, but behind all that casts
    // The spiral is turned from sub-pixel to sub-pixel: averaging them smooths it for good.
    ivec2 sub = ivec2(gl_FragCoord.xy) % supersample;
    float start = 2.0 * 3.14159265 * float(sub.x + supersample * sub.y)
                  / float(supersample * supersample);
    float bias = 0.0008 + 0.0025 * (1.0 - abs(dot(n, key_direction)));
    float lit = 0.0;
    for (int i = 0; i < TAPS; i++) {
        float radius = penumbra * sqrt((float(i) + 0.5) / float(TAPS));
        float angle = start + 2.39996323 * float(i);
        vec2 tap = p.xy + radius * vec2(cos(angle), sin(angle));
        lit += texture(shadow_map, vec3(tap, p.z - bias));
    }
    return lit / float(TAPS);
}

float sixteenth_power(float x) {
    x *= x;
    x *= x;
    x *= x;
    return x * x;
}

vec3 surroundings(vec3 d) {
    vec3 level = mix(around, d.z > 0.0 ? sky : ground, smoothstep(0.0, 0.9, abs(d.z)));
    // Two soft boxes of light, so that brass has something to show.
    float key_box = sixteenth_power(max(dot(d, key_direction), 0.0));
    float fill_box = sixteenth_power(max(dot(d, fill_direction), 0.0));
    return level + 2.2 * key_color * key_box + 1.2 * fill_color * fill_box;
}

void main() {
    vec3 n = normalize(world_normal);
    vec3 view = normalize(eye - world);
    if (dot(n, view) < 0.0) n = -n;  // both sides of a surface are visible
    vec3 base = albedo;
    float gloss = surface.x, metal = surface.y;
    float facing = dot(n, key_direction);
    float lit = facing > -0.1 ? lit_share(n) : 0.0;
    float lambert = max((facing + 0.08) / 1.08, 0.0) * lit;
    float fill = max(dot(n, fill_direction) * 0.7 + 0.3, 0.0);
    vec3 halfway = normalize(view + key_direction);
    float sharpness = exp2(2.0 + 7.0 * gloss);
    float highlight = (sharpness + 8.0) / 25.0 * pow(max(dot(n, halfway), 0.0), sharpness)
                      * max(facing, 0.0) * lit;
    float edge = 1.0 - max(dot(n, view), 0.0);
    float grazing = edge * edge * edge * edge * edge;
    vec3 tint = mix(vec3(0.04), base, metal);
    vec3 fresnel = tint + (max(vec3(gloss), tint) - tint) * grazing;
    vec3 matt = base * (1.0 - 0.85 * metal);
    vec3 mirrored = surroundings(reflect(-view, n));
    vec3 dome = n.z > 0.0 ? mix(around, sky, n.z) : mix(around, ground, -n.z);
    direct = vec4(matt * key_color * lambert + fresnel * key_color * highlight * gloss, 1.0);
    ambient = vec4(matt * (dome + fill_color * fill)
                   + fresnel * mirrored * mix(gloss, 1.0, metal) * (0.75 + 0.25 * lit), 1.0);
}
