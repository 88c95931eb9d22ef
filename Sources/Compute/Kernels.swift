// The kernel table of this process, chosen once for the CPU (or forced by MARTLET_ISA).

package import CKernels

/// The kernels in use: `kernels.dot(x, y, count)`.
package let kernels: martlet_kernels = martlet_kernels_get().pointee
